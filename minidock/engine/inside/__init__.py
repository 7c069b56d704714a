"""Going into a container that runs: `exec`, and a cable for a network that it is connected to later."""
