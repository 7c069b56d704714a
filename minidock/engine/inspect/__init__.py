"""What a user asks to see: `ps`, `inspect`, `stats`, `top`, `info`, `system df`."""
