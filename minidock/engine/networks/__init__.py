"""Networks as a user knows them: created, listed, removed, and which containers are connected to them."""
