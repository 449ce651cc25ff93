"""What a container gets of its machine: devices, GPUs, ulimits, disk bandwidth."""

from __future__ import annotations

from typing import Annotated

import msgspec

from swarmlet.manifests.compose.model.base import ComposeStruct, Count, Size

Weight = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class DeviceMapping(ComposeStruct, frozen=True, kw_only=True):
    """A device of the host; a CDI name ("vendor.com/device=gpu") stands in `source` alone."""

    source: str
    target: str = ""
    permissions: str = ""


class DeviceRequest(ComposeStruct, frozen=True, kw_only=True):
    """GPUs and the like, wherever they are: `count` -1 is all; `device_ids` name them instead."""

    capabilities: tuple[str, ...] = ()
    count: Count | None = None
    device_ids: tuple[str, ...] = ()
    driver: str = ""
    options: dict[str, str] = {}


class Ulimit(ComposeStruct, frozen=True, kw_only=True):
    """-1 is unlimited."""

    soft: int
    hard: int


class DeviceWeight(ComposeStruct, frozen=True, kw_only=True):
    path: str
    weight: Weight


class DeviceRate(ComposeStruct, frozen=True, kw_only=True):
    """`rate` a second: bytes, or operations."""

    path: str
    rate: Size


class BlkioConfig(ComposeStruct, frozen=True, kw_only=True):
    weight: Weight | None = None
    weight_device: tuple[DeviceWeight, ...] = ()
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()
