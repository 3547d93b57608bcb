"""Embeddings of windows and records, out of shards or a store, and a picture of them."""
