"""From a container's options to its OCI specification: namespaces, mounts, devices, security, users, environment, ports."""
