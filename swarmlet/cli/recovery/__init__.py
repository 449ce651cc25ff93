"""`backup`, `restore`, `recover` and `check`: for the night in which something is gone for good."""
