"""Makes the reference of the documentation from code."""
