"""Unmodified client libraries against a whole daemon."""
