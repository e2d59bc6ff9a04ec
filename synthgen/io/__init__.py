"""Files: atomic writing, Parquet shards, image folders, run directories, cards and manifests."""
