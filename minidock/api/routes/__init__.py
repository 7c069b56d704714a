"""The functions that answer, by what they are about."""
