"""What the bytes of a store mean: layout, codec, arrays, columns."""
