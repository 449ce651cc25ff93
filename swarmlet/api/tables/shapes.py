"""What a table's columns are, what fills them, and the words and columns that many kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarmlet.api.tables.durations import since
from swarmlet.model.meta import Object
from swarmlet.model.pod import PodTemplateSpec

NONE = "<none>"
UNSET = "<unset>"

Cells = Callable[[Any, datetime], list[object]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `priority` 0 is always printed, 1 with `-o wide`.

    `field`: the field whose description is the column's too, as OpenAPI names it, less "io.k8s."; "" where it has a
    `description` of its own.
    """

    name: str
    type: str = "string"
    priority: int = 0
    description: str = ""
    format: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind, and what fills them."""

    columns: tuple[Column, ...]
    cells: Cells


META = "apimachinery.pkg.apis.meta.v1.ObjectMeta"

NAME = Column("Name", format="name", field=f"{META}.name")
AGE = Column("Age", field=f"{META}.creationTimestamp")
CREATED_AT = Column("Created At", "date", field=f"{META}.creationTimestamp")
CONTAINERS = Column("Containers", priority=1, description="Names of each container in the template.")
IMAGES = Column("Images", priority=1, description="Images referenced by each container in the template.")


def age(value: Object, now: datetime) -> str:
    """Return the cell of `AGE`."""
    return since(value.metadata.creation_timestamp, now)


def template(value: PodTemplateSpec) -> tuple[str, str]:
    """Return the cells of `CONTAINERS` and `IMAGES`."""
    containers = value.spec.containers
    return ",".join([each.name for each in containers]), ",".join([each.image for each in containers])


def labels(pairs: Mapping[str, str]) -> str:
    """Return labels as kubectl prints them: "app=web,tier=front"."""
    return ",".join([f"{key}={text}" for key, text in sorted(pairs.items())]) or NONE


def shortened(texts: Iterable[str], most: int, separator: str = ",") -> str:
    """Return the first `most` texts and how many there are beside; "" for none."""
    told = list(texts)
    more = len(told) - most
    return separator.join(told[:most]) + (f" + {more} more..." if more > 0 else "")
