"""A container's options as an OCI specification: namespaces, mounts, devices, security, users, environment, ports."""
