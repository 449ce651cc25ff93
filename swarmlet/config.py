"""The daemon's configuration file: YAML in, a frozen `Config` out, and one clear line for whatever is wrong.

Each key is a dataclass field annotated with its rule; a rule turns what the file holds into the field's value or
says what is allowed. Flags of the command line are checked by the same rules and win over the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import socket
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from swarmlet.errors import ConfigError
from swarmlet.model.singletons import FENCE_AFTER_SECONDS_MAX

DEFAULT_PATH = Path("/etc/swarmlet/config.yaml")
DEFAULT_DATA_DIR = Path("/var/lib/swarmlet")
DEFAULT_SOCKET = Path("/run/swarmlet/swarmlet.sock")
CONSENSUS_FOLDER = "raft"
PORT = 7600
DEFAULT_LISTEN = f"0.0.0.0:{PORT}"
FILE_BYTES_MAX = 1024 * 1024
NODE_NAME_LENGTH_MAX = 63
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, without its closing zero

Rule = Callable[[Any], Any]
"""Return the checked value, or raise `ValueError` saying what is allowed."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_CPU = re.compile(r"\d+m|\d+(\.\d{1,3})?")
_MEMORY = re.compile(r"\d+(\.\d+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?")
_HOST = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?")


# Rules: what a key may hold.


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        raise ValueError("an absolute path")
    return Path(value)


def _socket_path(value: Any) -> Path:
    path = _path(value)
    if len(str(path).encode()) > SOCKET_PATH_BYTES_MAX:
        raise ValueError(f"an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes (Linux's limit for sockets)")
    return path


def node_name(value: Any) -> str:
    """Check the name of a Node: a DNS-1123 subdomain, short enough for the label `kubernetes.io/hostname`."""
    text = value if isinstance(value, str) else ""
    if len(text) > NODE_NAME_LENGTH_MAX or not all(_DNS_LABEL.fullmatch(part) for part in text.split(".")):
        raise ValueError(
            "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, "
            f"at most {NODE_NAME_LENGTH_MAX} characters"
        )
    return text


def split_address(text: str, *, default_port: int = PORT) -> tuple[str, int]:
    """Split "host", "host:port", "[v6]:port" or "v6"; raise `ValueError` where it is none of these."""
    allowed = 'host, host:port or [IPv6 address]:port, such as "10.0.0.5:7600"'
    if text.startswith("[") or text.count(":") < 2:
        host, bracket, rest = text.removeprefix("[").partition("]") if text.startswith("[") else _split_plain(text)
        port = rest.removeprefix(":")
    else:
        host, bracket, port = text, "]", ""
    literal = ":" in host
    if (literal and not (bracket and _is_v6(host))) or (not literal and not _HOST.fullmatch(host)):
        raise ValueError(allowed)
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{allowed}; the port is 0 to 65535")
    return host, int(port) if port else default_port


def _split_plain(text: str) -> tuple[str, str, str]:
    host, _, port = text.partition(":")
    return host, "", port


def _is_v6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return False
    return True


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(default_port: int) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError('text such as "10.0.0.5:7600"')  # noqa: TRY004  a rule speaks through ValueError alone
        return join_address(*split_address(value, default_port=default_port))

    return check


def _one_of(*choices: str) -> Rule:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return check


def _integer(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def _odd(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high or value % 2 == 0:
            raise ValueError(f"an odd number from {low} to {high}")
        return value

    return check


def _seconds(low: float, high: float) -> Rule:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number of seconds from {low:g} to {high:g}")
        return float(value)

    return check


def _quantity(pattern: re.Pattern[str], example: str) -> Rule:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not pattern.fullmatch(str(value)):
            raise ValueError(f'a quantity such as "{example}"')
        return str(value)

    return check


def _labels(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(_is_label(key, text) for key, text in value.items()):
        raise ValueError(
            'a map of Kubernetes labels, such as {topology.kubernetes.io/zone: "a"}; values are quoted text'
        )
    return value


def _is_label(key: Any, value: Any) -> bool:
    if not isinstance(key, str) or not isinstance(value, str):
        return False
    prefix, slash, name = key.rpartition("/")
    if slash and not all(_DNS_LABEL.fullmatch(part) for part in prefix.split(".")):
        return False
    return bool(_LABEL_NAME.fullmatch(name)) and (value == "" or bool(_LABEL_NAME.fullmatch(value)))


def _docker_host(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("unix:///", "tcp://", "http://", "https://")):
        raise ValueError(
            "unix:///path, tcp://host:port, http:// or https:// (empty: DOCKER_HOST, else Docker's socket)"
        )
    return value


# Keys.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What of this machine Pods may not have; Kubernetes' quantities."""

    cpu: Annotated[str, _quantity(_CPU, "500m")] = "100m"
    memory: Annotated[str, _quantity(_MEMORY, "512Mi")] = "256Mi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """Raft's clock, and when its log is cut. An election times out after one to two times its ticks."""

    tick_seconds: Annotated[float, _seconds(0.01, 10)] = 0.1
    heartbeat_ticks: Annotated[int, _integer(1, 100)] = 2
    election_ticks: Annotated[int, _integer(2, 1_000)] = 10
    snapshot_entries: Annotated[int, _integer(10, 10_000_000)] = 10_000
    snapshot_bytes: Annotated[int, _integer(64 * 1024, 16 * 1024**3)] = 16 * 1024 * 1024
    tail_entries: Annotated[int, _integer(0, 10_000_000)] = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLifecycle:
    """A node is not ready after so long without a heartbeat; its Pods are replaced so long after that.

    A node whose daemon answers but whose Engine does not is given more time: most often it comes back, its Pods with
    it. A node that has not heard of the quorum for `fence_after_seconds` kills its strict singletons.
    """

    not_ready_seconds: Annotated[float, _seconds(1, 86_400)] = 5.0
    evict_after_seconds: Annotated[float, _seconds(0, 86_400)] = 5.0
    evict_unwell_after_seconds: Annotated[float, _seconds(0, 86_400)] = 60.0
    fence_after_seconds: Annotated[float, _seconds(3, FENCE_AFTER_SECONDS_MAX)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: Annotated[str, _one_of("debug", "info", "warning", "error")] = "info"
    format: Annotated[str, _one_of("auto", "json", "console")] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All keys, checked. `advertise` "" means: found out when the machine joins, and then kept in its data folder."""

    data_dir: Annotated[Path, _path] = DEFAULT_DATA_DIR
    node_name: Annotated[str, node_name] = ""
    listen: Annotated[str, _address(PORT)] = DEFAULT_LISTEN
    advertise: Annotated[str, _address(0)] = ""
    status_listen: Annotated[str, _address(PORT + 1)] = "127.0.0.1:7601"
    socket: Annotated[Path, _socket_path] = DEFAULT_SOCKET
    runtime: Annotated[str, _one_of("auto", "docker", "process")] = "auto"
    docker_host: Annotated[str, _docker_host] = ""
    container_runtime: Annotated[str, _one_of("auto", "crun", "runc")] = "auto"
    labels: Annotated[Mapping[str, str], _labels] = dataclasses.field(default_factory=dict)
    reserved: Reserved = Reserved()
    voters_max: Annotated[int, _odd(1, 9)] = 5
    standbys_max: Annotated[int, _integer(0, 9)] = 2
    voter_replace_after_seconds: Annotated[float, _seconds(1, 86_400)] = 10.0
    consensus: Consensus = Consensus()
    node_lifecycle: NodeLifecycle = NodeLifecycle()
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
    values = _section(Config, _read(path), str(path or DEFAULT_PATH), "")
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = _checked(_rules(Config)[key], value, _flag(key))
    config = Config(**values)
    _check_timing(config.consensus, str(path or DEFAULT_PATH))
    return dataclasses.replace(config, **_derived(config, values))


def _derived(config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "node_name" not in given:
        found["node_name"] = _checked(
            node_name, socket.gethostname().lower(), "node_name (from the host name; set it, or give --name)"
        )
    if "socket" not in given and config.data_dir != DEFAULT_DATA_DIR:
        found["socket"] = _checked(_socket_path, config.data_dir / "swarmlet.sock", "socket (in data_dir)")
    if config.advertise.endswith(":0"):
        found["advertise"] = config.advertise.removesuffix(":0") + ":" + config.listen.rpartition(":")[2]
    return found


def _flag(key: str) -> str:
    return "--name" if key == "node_name" else "--" + key.replace("_", "-")


def _read(path: Path | None) -> Mapping[str, Any]:
    if path is None and not DEFAULT_PATH.exists():
        return {}
    file = path or DEFAULT_PATH
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        if len(text) > FILE_BYTES_MAX:
            raise ConfigError(f"{file}: over {FILE_BYTES_MAX} bytes; this is no configuration file")
        document = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}; name a readable file with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    return {} if document is None else _mapping(document, str(file))


def _section(schema: type, document: Mapping[str, Any], file: str, prefix: str) -> dict[str, Any]:
    """Check one mapping of the file against the fields of `schema`; keys that are empty in the file are left out."""
    rules = _rules(schema)
    values: dict[str, Any] = {}
    for key, value in document.items():
        where = f"{file}: {prefix}{key}"
        if key not in rules:
            raise ConfigError(f"{where}: unknown key; {_suggestion(str(key), list(rules))}")
        if value is None:
            continue
        rule = rules[key]
        if isinstance(rule, type):
            values[key] = rule(**_section(rule, _mapping(value, where), file, f"{prefix}{key}."))
        else:
            values[key] = _checked(rule, value, where)
    return values


def _rules(schema: type) -> dict[str, Any]:
    """Return each key's rule; a key that is a section has the section's class instead."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {name: getattr(hint, "__metadata__", (hint,))[0] for name, hint in hints.items()}


def _checked(rule: Rule, value: Any, where: str) -> Any:
    try:
        return rule(value)
    except ValueError as error:
        raise ConfigError(f"{where}: found {_shown(value)}; allowed: {error}") from None


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: found {_shown(value)}; allowed: keys with values, as in `log: {{level: info}}`")
    return value


def _suggestion(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else "known are " + ", ".join(sorted(known))


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _check_timing(consensus: Consensus, file: str) -> None:
    if consensus.election_ticks <= consensus.heartbeat_ticks:
        raise ConfigError(
            f"{file}: consensus.election_ticks: found {consensus.election_ticks}; "
            f"allowed: more than heartbeat_ticks, which is {consensus.heartbeat_ticks}"
        )
