"""An OCI bundle (config.json and a root file system) in, an isolated process out. Knows no images."""
