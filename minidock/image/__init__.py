"""References, manifests, blobs and layers. No processes in here."""
