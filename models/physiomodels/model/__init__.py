"""The model: encoder, embedding, masking, fusion and their parts; nothing here trains."""
