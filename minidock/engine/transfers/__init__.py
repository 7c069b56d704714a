"""Images on their way from and to registries."""
