"""Asking containers how they are, and running their hooks."""
