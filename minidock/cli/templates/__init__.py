"""Go's text/template, as docker's `--format` has it: read, understood, filled in."""
