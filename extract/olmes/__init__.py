"""What every source of OLMES predictions shares: their conversion to Parquet."""
