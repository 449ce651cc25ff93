"""What `describe` says of each kind of object."""
