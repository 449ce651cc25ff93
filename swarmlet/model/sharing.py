"""Reading stored Pods so that what many have in common is in memory once.

The Pods of one template differ in name, node, address and times; their containers, volumes, tolerations and labels are
equal to the byte. Such a part is decoded once, and every Pod refers to the same struct, which nobody changes anyway.
A Pod read so equals the one that `objects.from_json` reads.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from swarmlet.model import kinds, objects
from swarmlet.model.base import ApiStruct
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import ContainerState, PodStatus

PARTS_MAX = 16_384
"""Different parts that are known. Over it sharing begins anew; what Pods refer to already stays shared."""
PART_BYTES_MAX = 16 * 1024
PARTS_BYTES_MAX = 16 * 1024 * 1024
"""Of the JSON of one field's known parts: Pods that are gone and had parts of their own keep no more than this."""

TIMES_MAX = 4_096
"""Different times that are known: what is made together, or happens at once, says the same second."""

_SCALARS = {str, bool, int, datetime, type(None)}
_OF_ONE = frozenset({"name", "uid", "resource_version"})
"""Texts of metadata that no other object has."""
_times: dict[datetime, datetime] = {}
_ABSENT = msgspec.Raw(b"")
_NOTHING_BEFORE = ContainerState()


def read(kind: Kind, data: bytes, name: str) -> Object:
    """Return the object of `kind` that stored `data` holds; raise as `objects.from_json` does.

    `name` is the object's own, as its key bears it.
    """
    return _pod(data, name) if kind is kinds.POD else objects.from_json(kind, data)


class _Parts:
    """The parts that are known, of one field, by their JSON."""

    def __init__(self, field: msgspec.structs.FieldInfo) -> None:
        self._known: dict[bytes, Any] = {}
        self._known_bytes = 0
        self._decoder = msgspec.json.Decoder(field.type)
        self._default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()

    def get(self, raw: msgspec.Raw) -> Any:
        if raw is _ABSENT:
            return self._default
        data = bytes(raw)
        part = self._known.get(data)
        if part is None:
            part = self._decoder.decode(data)
            if len(data) <= PART_BYTES_MAX:
                if len(self._known) >= PARTS_MAX or self._known_bytes + len(data) > PARTS_BYTES_MAX:
                    self._known.clear()
                    self._known_bytes = 0
                self._known[data] = part
                self._known_bytes += len(data)
        return part


class _Reader:
    """Reads one struct: its scalars at once, its parts as bytes that are looked up."""

    def __init__(self, struct: type[ApiStruct]) -> None:
        self._struct = struct
        fields = msgspec.structs.fields(struct)
        self._scalars = tuple(each.name for each in fields if _is_scalar(each))
        self._parts = tuple((each.name, _Parts(each)) for each in fields if not _is_scalar(each))
        self.shell = msgspec.defstruct(
            f"{struct.__name__}Shell",
            [
                (each.name, each.type, each.default) if _is_scalar(each) else (each.name, msgspec.Raw, _ABSENT)
                for each in fields
            ],
            rename={each.name: each.encode_name for each in fields},
            frozen=True,
            gc=False,
        )

    def built(self, shell: msgspec.Struct) -> Any:
        """Return the struct that a shell was read for."""
        values: dict[str, Any] = {}
        for name in self._scalars:
            value = getattr(shell, name)
            if type(value) is str and name not in _OF_ONE:
                value = sys.intern(value)
            elif type(value) is datetime:
                value = _known(value)
            values[name] = value
        for name, parts in self._parts:
            values[name] = parts.get(getattr(shell, name))
        return self._struct(**values)


def _is_scalar(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field holds one value: its type is plain, or plain or absent."""
    return field.type in _SCALARS or (
        typing.get_origin(field.type) in (typing.Union, types.UnionType)
        and _SCALARS.issuperset(typing.get_args(field.type))
    )


_metadata = _Reader(ObjectMeta)
_spec = _Reader(PodSpec)
_EMPTY_STATUS = PodStatus()
_decoder = msgspec.json.Decoder(
    msgspec.defstruct(
        "PodShell",
        [("metadata", _metadata.shell), ("spec", _spec.shell, _spec.shell()), ("status", PodStatus, _EMPTY_STATUS)],
        frozen=True,
        gc=False,
    )
)


def _pod(data: bytes, name: str) -> Pod:
    shell: Any = _decoder.decode(data)
    _lean(shell.status)
    msgspec.structs.force_setattr(shell.metadata, "name", name)
    return Pod(
        api_version="v1",
        kind="Pod",
        metadata=_metadata.built(shell.metadata),
        spec=_spec.built(shell.spec),
        status=shell.status,
    )


def _lean(status: PodStatus) -> None:
    """Let a status that was read a moment ago, and that nobody has seen, refer to texts and times that exist."""
    _intern(status, ("phase", "reason", "host_ip", "qos_class"))
    for condition in status.conditions:
        _intern(condition, ("type", "status", "reason", "message"))
        _once(condition, "last_transition_time")
    for container in (*status.init_container_statuses, *status.container_statuses):
        _intern(container, ("name", "image", "image_id"))
        if container.last_state == _NOTHING_BEFORE:
            msgspec.structs.force_setattr(container, "last_state", _NOTHING_BEFORE)
        if container.state.running:
            _once(container.state.running, "started_at")
    _once(status, "start_time")
    for address in status.pod_ips:
        if address.ip == status.pod_ip:
            msgspec.structs.force_setattr(address, "ip", status.pod_ip)


def _intern(struct: msgspec.Struct, names: Iterable[str]) -> None:
    for name in names:
        msgspec.structs.force_setattr(struct, name, sys.intern(getattr(struct, name)))


def _once(struct: msgspec.Struct, name: str) -> None:
    at = getattr(struct, name)
    if at is not None:
        msgspec.structs.force_setattr(struct, name, _known(at))


def _known(at: datetime) -> datetime:
    """Return the same moment, written alike, that something else refers to already, if something does."""
    if at.tzinfo is not UTC:
        return at
    if len(_times) >= TIMES_MAX:
        _times.clear()
    return _times.setdefault(at, at)
