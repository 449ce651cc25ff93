"""Compose files at the command line."""
