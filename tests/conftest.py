"""Fixtures that several rooms share."""

from __future__ import annotations

from tests.dockerd import dockerd

__all__ = ["dockerd"]
