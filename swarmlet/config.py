"""The daemon's configuration file: YAML in, a frozen `Config` out, and one clear line for whatever is wrong.

Each key is a dataclass field annotated with its rule; a rule turns what the file holds into the field's value or
says what is allowed. Flags of the command line are checked by the same rules and win over the file.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from swarmlet import addresses, config_file
from swarmlet import config_rules as rules
from swarmlet.addresses import PORT
from swarmlet.errors import ConfigError
from swarmlet.model import device_classes, node_subnets, thresholds
from swarmlet.model.device_classes import DeviceClass
from swarmlet.model.singletons import FENCE_AFTER_SECONDS_MAX

DEFAULT_PATH = Path("/etc/swarmlet/config.yaml")
DEFAULT_DATA_DIR = Path("/var/lib/swarmlet")
DEFAULT_SOCKET = addresses.DEFAULT_SOCKET
CONSENSUS_FOLDER = "raft"
SECCOMP_FOLDER = "seccomp"
DEFAULT_LISTEN = f"0.0.0.0:{PORT}"
AUTO = "auto"
"""Of a key whose value the machine finds out."""


# Keys.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What of this machine Pods may not have; Kubernetes' quantities."""

    cpu: Annotated[str, rules.quantity(rules.CPU, "500m")] = "100m"
    memory: Annotated[str, rules.quantity(rules.MEMORY, "512Mi")] = "256Mi"
    ephemeral_storage: Annotated[str, rules.quantity(rules.MEMORY, "1Gi")] = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """How little a node may have left before it evicts Pods; a signal that is not named keeps its default.

    A condition of pressure holds for `pressure_transition_seconds` after its threshold was met last.
    """

    hard: Annotated[Mapping[str, str], rules.eviction_thresholds] = dataclasses.field(
        default_factory=lambda: dict(thresholds.DEFAULTS)
    )
    pressure_transition_seconds: Annotated[float, rules.seconds(0, 86_400)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCollection:
    """When images are removed: over `high_threshold_percent` of their disk, until `low_threshold_percent`.

    Only those that no container used for `minimum_age_seconds`; `images`: those that swarmlet pulled, or all.
    """

    high_threshold_percent: Annotated[int, rules.integer(1, 100)] = 85
    low_threshold_percent: Annotated[int, rules.integer(0, 100)] = 80
    minimum_age_seconds: Annotated[float, rules.seconds(0, 86_400 * 365)] = 120.0
    images: Annotated[str, rules.one_of("pulled", "all")] = "pulled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """Raft's clock, and when its log is cut. An election times out after one to two times its ticks."""

    tick_seconds: Annotated[float, rules.seconds(0.01, 10)] = 0.1
    heartbeat_ticks: Annotated[int, rules.integer(1, 100)] = 2
    election_ticks: Annotated[int, rules.integer(2, 1_000)] = 10
    snapshot_entries: Annotated[int, rules.integer(10, 10_000_000)] = 10_000
    snapshot_bytes: Annotated[int, rules.integer(64 * 1024, 16 * 1024**3)] = 16 * 1024 * 1024
    tail_entries: Annotated[int, rules.integer(0, 10_000_000)] = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLifecycle:
    """A node is not ready after so long without a heartbeat; its Pods are replaced so long after that.

    A node whose daemon answers but whose Engine does not is given more time: most often it comes back, its Pods with
    it. A node that has not heard of the quorum for `fence_after_seconds` kills its strict singletons.
    """

    not_ready_seconds: Annotated[float, rules.seconds(1, 86_400)] = 5.0
    evict_after_seconds: Annotated[float, rules.seconds(0, 86_400)] = 5.0
    evict_unwell_after_seconds: Annotated[float, rules.seconds(0, 86_400)] = 60.0
    fence_after_seconds: Annotated[float, rules.seconds(3, FENCE_AFTER_SECONDS_MAX)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How often a HorizontalPodAutoscaler looks, and how long a Pod's processor time is judged with care.

    In its first `cpu_initialization_seconds` it counts only while the Pod is ready; after that it counts not where the
    Pod became unready within `initial_readiness_seconds` of its start, and has so never been ready.
    """

    sync_seconds: Annotated[float, rules.seconds(1, 3_600)] = 15.0
    cpu_initialization_seconds: Annotated[float, rules.seconds(0, 86_400)] = 300.0
    initial_readiness_seconds: Annotated[float, rules.seconds(0, 86_400)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which node is better for a Pod, all else alike: the one with the least taken, or, to need few, with the most."""

    strategy: Annotated[
        Literal["least-allocated", "most-allocated"], rules.one_of("least-allocated", "most-allocated")
    ] = "least-allocated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebalance:
    """When running Pods are moved to even out the nodes; `enabled` counts until a user says otherwise at run time.

    A move must gain `threshold_percent` of an average node's share. It goes to a node that has been ready for
    `settle_seconds`, takes a Pod that is `minimum_age_seconds` old, and is undone where the replacement is not
    available after `ready_seconds`. Between looks `pause_seconds` go by.
    """

    enabled: Annotated[bool, rules.boolean] = True
    threshold_percent: Annotated[int, rules.integer(1, 1_000)] = 20
    moves_at_once: Annotated[int, rules.integer(1, 100)] = 2
    settle_seconds: Annotated[float, rules.seconds(0, 86_400)] = 30.0
    minimum_age_seconds: Annotated[float, rules.seconds(0, 86_400)] = 60.0
    ready_seconds: Annotated[float, rules.seconds(1, 86_400)] = 120.0
    pause_seconds: Annotated[float, rules.seconds(0.1, 86_400)] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How Pods of different machines reach each other: "none" leaves them to the Engine's own bridge.

    "auto" is "vxlan" on a machine that can, and else "none". `cluster_cidr` counts where the cluster has none yet.
    `mtu` 0: what the way to the other machines leaves room for. `wireguard_port` is the same on all machines. `dns`:
    this machine answers the cluster's names, and its Pods ask it. `services`: what balances connections to Services on
    this machine, "auto" the kernel where there is a Pod network, and else a proxy. `policies`: its Pods are held to
    theirs.
    """

    mode: Annotated[str, rules.one_of(AUTO, "none", "vxlan", "host-gw", "wireguard")] = AUTO
    cluster_cidr: Annotated[str, node_subnets.read_cluster_cidr] = node_subnets.CLUSTER_CIDR
    mtu: Annotated[int, node_subnets.read_mtu] = 0
    wireguard_port: Annotated[int, rules.integer(1, 65_535)] = node_subnets.WIREGUARD_PORT
    dns: Annotated[bool, rules.boolean] = True
    services: Annotated[str, rules.service_way] = AUTO
    policies: Annotated[bool, rules.boolean] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: Annotated[str, rules.one_of("debug", "info", "warning", "error")] = "info"
    format: Annotated[str, rules.one_of("auto", "json", "console")] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All keys, checked. `advertise` "" means: found out when the machine joins, and then kept in its data folder."""

    data_dir: Annotated[Path, rules.path] = DEFAULT_DATA_DIR
    node_name: Annotated[str, rules.node_name] = ""
    listen: Annotated[str, rules.address(PORT)] = DEFAULT_LISTEN
    advertise: Annotated[str, rules.address(0)] = ""
    api_names: Annotated[tuple[str, ...], rules.hosts] = ()
    status_listen: Annotated[str, rules.address(PORT + 1)] = "127.0.0.1:7601"
    socket: Annotated[Path, rules.socket_path] = DEFAULT_SOCKET
    runtime: Annotated[str, rules.one_of("auto", "docker", "process")] = "auto"
    docker_host: Annotated[str, rules.docker_host] = ""
    container_runtime: Annotated[str, rules.one_of("auto", "crun", "runc")] = "auto"
    labels: Annotated[Mapping[str, str], rules.labels] = dataclasses.field(default_factory=dict)
    devices: Annotated[Mapping[str, DeviceClass], device_classes.read] = dataclasses.field(default_factory=dict)
    seccomp_dir: Annotated[Path, rules.path] = DEFAULT_DATA_DIR / SECCOMP_FOLDER
    registry_credentials: Annotated[Path | None, rules.path] = None
    resolv_conf: Annotated[Path, rules.path] = Path("/etc/resolv.conf")
    reserved: Reserved = Reserved()
    max_pods: Annotated[int, rules.integer(1, 1_000)] = 110
    eviction: Eviction = dataclasses.field(default_factory=Eviction)
    image_collection: ImageCollection = ImageCollection()
    voters_max: Annotated[int, rules.odd(1, 9)] = 5
    standbys_max: Annotated[int, rules.integer(0, 9)] = 2
    voter_replace_after_seconds: Annotated[float, rules.seconds(1, 86_400)] = 10.0
    consensus: Consensus = Consensus()
    node_lifecycle: NodeLifecycle = NodeLifecycle()
    usage_seconds: Annotated[float, rules.seconds(1, 3_600)] = 15.0
    autoscaling: Autoscaling = Autoscaling()
    placement: Placement = Placement()
    rebalance: Rebalance = Rebalance()
    network: Network = Network()
    log: Log = Log()

    @property
    def consensus_dir(self) -> Path:
        """Where consensus keeps its log and snapshots."""
        return self.data_dir / CONSENSUS_FOLDER


# Reading.


def load(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration of the file at `path` with `flags` (key -> value; None: not given) laid over it.

    Without a path the default file is read where it exists; without one all keys have their defaults.
    Raises `ConfigError` naming the file or flag, the key, what was found and what is allowed.
    """
    document = config_file.read(path or DEFAULT_PATH) if path or DEFAULT_PATH.exists() else {}
    values = config_file.section(Config, document, str(path or DEFAULT_PATH), "")
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = config_file.checked(config_file.rules(Config)[key], value, _flag(key))
    config = Config(**values)
    _check_timing(config.consensus, str(path or DEFAULT_PATH))
    _check_image_collection(config.image_collection, str(path or DEFAULT_PATH))
    return dataclasses.replace(config, **_derived(config, values))


def _derived(config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "node_name" not in given:
        found["node_name"] = config_file.checked(
            rules.node_name, socket.gethostname().lower(), "node_name (from the host name; set it, or give --name)"
        )
    if "socket" not in given and config.data_dir != DEFAULT_DATA_DIR:
        found["socket"] = config_file.checked(
            rules.socket_path, config.data_dir / "swarmlet.sock", "socket (in data_dir)"
        )
    if "seccomp_dir" not in given:
        found["seccomp_dir"] = config.data_dir / SECCOMP_FOLDER
    if config.advertise.endswith(":0"):
        found["advertise"] = config.advertise.removesuffix(":0") + ":" + config.listen.rpartition(":")[2]
    return found


def _flag(key: str) -> str:
    return "--name" if key == "node_name" else "--" + key.replace("_", "-")


def _check_timing(consensus: Consensus, file: str) -> None:
    if consensus.election_ticks <= consensus.heartbeat_ticks:
        raise ConfigError(
            f"{file}: consensus.election_ticks: found {consensus.election_ticks}; "
            f"allowed: more than heartbeat_ticks, which is {consensus.heartbeat_ticks}"
        )


def _check_image_collection(collection: ImageCollection, file: str) -> None:
    if collection.low_threshold_percent >= collection.high_threshold_percent:
        raise ConfigError(
            f"{file}: image_collection.low_threshold_percent: found {collection.low_threshold_percent}; "
            f"allowed: less than high_threshold_percent, which is {collection.high_threshold_percent}"
        )
