"""What a person types: commands, one file per noun or verb, all in the table of `commands.py`.

flags/ has the flags of a new container, format/ the template language of `--format`.
"""
