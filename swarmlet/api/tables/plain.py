"""The rows of kinds that have no printer of their own in Kubernetes: the name, and when it was made.

Source: k8s.io/apiserver/pkg/registry/rest/table.go (NewDefaultTableConvertor).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import UNKNOWN
from swarmlet.api.tables.shapes import CREATED_AT, NAME, Columns
from swarmlet.model.meta import Object


def _cells(value: Object, _now: datetime) -> list[object]:
    created = value.metadata.creation_timestamp
    return [value.metadata.name, created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else UNKNOWN]


PLAIN = Columns((NAME, CREATED_AT), _cells)
