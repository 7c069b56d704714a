"""The flags of a new container, and what their words mean: one `ContainerOptions` for the engine."""
