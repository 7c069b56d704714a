"""`--format`: Go's text/template as docker has it, tables, times and columns."""
