"""The runtime: an OCI bundle (config.json and a root file system) in, an isolated process out. It knows no images."""
