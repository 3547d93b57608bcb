"""From recordings to a table of answers: raw files, stores or shards, with a model's own recipe."""
