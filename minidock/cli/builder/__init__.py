"""Commands about what builds keep."""
