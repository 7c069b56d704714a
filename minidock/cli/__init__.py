"""What a person types: click commands, one file per noun or verb, all of them in the table of `commands.py`.

options/ has the flags of a new container and what their words mean, templates/ the language of `--format`.
"""
