"""What a person types: click commands, one file per noun."""
