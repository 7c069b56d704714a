"""`python -m minidock`, the same as the `minidock` command."""

from minidock.cli.entry import main

if __name__ == "__main__":
    main()
