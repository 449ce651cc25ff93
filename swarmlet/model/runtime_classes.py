"""RuntimeClass (node.k8s.io/v1): by what a Pod's containers are run, what that takes beside them, and where it is.

Source: k8s.io/api/node/v1/types.go, KEP-585, KEP-688.
"""

from __future__ import annotations

from swarmlet.model.base import ApiStruct, always
from swarmlet.model.meta import Object
from swarmlet.model.pod import Toleration


class Overhead(ApiStruct, frozen=True, kw_only=True):
    """What a Pod takes beside its containers."""

    pod_fixed: dict[str, str] = {}


class Scheduling(ApiStruct, frozen=True, kw_only=True):
    """Which nodes have the runtime: what Pods of the class get beside their own."""

    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()


class RuntimeClass(Object, frozen=True, kw_only=True):
    """`handler` is the name under which a node's Engine has registered the runtime, such as "runc" or "kata"."""

    api_version: str = always("node.k8s.io/v1")
    kind: str = always("RuntimeClass")
    handler: str = always("")
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None
