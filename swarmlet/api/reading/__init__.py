"""get, list and watch: an object's way out."""
