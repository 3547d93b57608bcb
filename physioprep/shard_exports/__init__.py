"""Windows of shards in the files and objects of other trainers: LMDB, WebDataset, Parquet."""
