"""Networks as a user knows them: made, listed, removed, and who is connected to which."""
