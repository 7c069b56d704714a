"""What stays beside a container while it lives: its monitor, and what a command says to that."""
