"""placeholder, replaced by its builder."""
