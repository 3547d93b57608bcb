"""Draw records of stores and raw files in the layouts of clinical practice."""
