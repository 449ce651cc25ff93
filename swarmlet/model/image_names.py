"""Images by the names that people and Engines give them."""

from __future__ import annotations


def familiar(name: str) -> str:
    """Return the name by which the Engine lists an image: "docker.io/library/nginx" is "nginx:latest"."""
    short = name.removeprefix("docker.io/").removeprefix("library/")
    return short if "@" in short or ":" in short.rpartition("/")[2] else f"{short}:latest"
