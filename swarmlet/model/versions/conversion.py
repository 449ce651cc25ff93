"""Documents from the version that a client speaks to the one that the store keeps, and back.

    conversion.stored(kinds.HORIZONTAL_POD_AUTOSCALER_V1, document)     # an autoscaling/v2 document
    conversion.shown(kinds.HORIZONTAL_POD_AUTOSCALER_V1, document)      # an autoscaling/v1 one

A kind that is stored in its own version comes back as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swarmlet.model import kinds
from swarmlet.model.kinds import Kind
from swarmlet.model.versions import autoscaling_v1, events_v1

Document = dict[str, Any]
Conversion = Callable[[Document], Document]

_CONVERSIONS: dict[Kind, tuple[Conversion, Conversion]] = {
    kinds.HORIZONTAL_POD_AUTOSCALER_V1: (autoscaling_v1.to_v2, autoscaling_v1.to_v1),
    kinds.EVENT_V1: (events_v1.to_core, events_v1.from_core),
}


def stored(kind: Kind, document: Document) -> Document:
    """Return a document of `kind` in the version of the store."""
    return _CONVERSIONS[kind][0](document) if kind.stored_as else document


def shown(kind: Kind, document: Document) -> Document:
    """Return a document of the store in the version of `kind`."""
    return _CONVERSIONS[kind][1](document) if kind.stored_as else document
