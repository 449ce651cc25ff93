"""Images on this machine: fetched once, used by whom they belong to, removed when the disk fills."""
