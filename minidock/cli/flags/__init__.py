"""The flags of commands, and what their words mean: one `ContainerOptions` for the engine."""
