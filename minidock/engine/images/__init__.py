"""Images as a user knows them: found, built from a recipe, pulled, pushed, removed; credentials for registries."""
