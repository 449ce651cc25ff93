"""What a daemon keeps in its data folder to know who it is: node.json, ca.crt, node.crt and node.key.

The folder is 0700 and the key 0600. node.json is written last and all at once, so that its presence means: this
machine is a member. The rest of the folder belongs to others (raft/ to `consensus`, volumes to `agent`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from swarmlet.addresses import split_address
from swarmlet.config import CONSENSUS_FOLDER
from swarmlet.config_rules import node_name
from swarmlet.errors import ConfigError
from swarmlet.identity.authority import NodeIdentity, is_id
from swarmlet.identity.incarnation import FIRST, Incarnation

NODE_FILE_BYTES_MAX = 1024 * 1024
_NAMES = ("node.key", "ca.crt", "node.crt", "node.json")
_WELCOME = {"config.yaml", "lost+found", *_NAMES, *(name + ".new" for name in _NAMES)}
"""What a folder may hold before its machine joins: without node.json our own files are an interrupted attempt's."""
MARK = "recovering"
"""The name of the file that says that a recovery is under way, or was interrupted."""
ASIDE = "former-"
"""How the names begin of folders with memberships that were set aside: nothing in them counts."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon to talk to: its node id and where it listens."""

    node_id: str
    address: str


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """node.json. `peers` are the members at the time of joining: whom to ask until the log tells more.

    `incarnation` is the life of the cluster that this machine belongs to.
    """

    cluster_id: str
    node_id: str
    name: str
    advertise: str
    peers: tuple[Member, ...] = ()
    incarnation: Incarnation = FIRST

    @property
    def identity(self) -> NodeIdentity:
        return NodeIdentity(cluster_id=self.cluster_id, node_id=self.node_id, name=self.name)


class NodeFiles:
    """The identity files of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.key, self.authority, self.certificate, self.node = (data_dir / name for name in _NAMES)
        self._mark = data_dir / MARK

    def prepare(self) -> None:
        """Make the data folder, closed to others; raise `ConfigError` where it is a member's, in use or unusable."""
        try:
            if self.node.exists():
                raise ConfigError(
                    f"{self.data_dir}: this machine is already a member ({self._described()}); "
                    "`swarmlet leave` first, or name another folder with --data-dir"
                )
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            strangers = sorted(entry.name for entry in self.data_dir.iterdir() if not _is_welcome(entry.name))
            if strangers:
                raise ConfigError(
                    f"{self.data_dir}: the folder is not empty ({', '.join(strangers[:3])}); "
                    "empty it, or name another with --data-dir"
                )
            self.data_dir.chmod(0o700)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def save(self, state: NodeState, *, authority_pem: str, certificate_pem: str, key_pem: str) -> None:
        """Write who this node is, durably; node.json last."""
        try:
            _write(self.key, key_pem.encode(), 0o600)
            _write(self.authority, authority_pem.encode(), 0o644)
            _write(self.certificate, certificate_pem.encode(), 0o644)
            _write(self.node, _written(state), 0o644)
            _sync_folder(self.data_dir)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def renew(self, certificate_pem: str) -> None:
        """Replace the certificate by another of the same key, durably."""
        try:
            _write(self.certificate, certificate_pem.encode(), 0o644)
            _sync_folder(self.data_dir)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Mark the folder while its membership and its log are changed together; unmark it where that succeeded."""
        try:
            _write(self._mark, b"", 0o600)
            _sync_folder(self.data_dir)
            yield
            self._mark.unlink()
            _sync_folder(self.data_dir)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    @property
    def is_half_changed(self) -> bool:
        """Whether a change of the membership and its log was interrupted."""
        return self._mark.exists()

    def rewrite(self, state: NodeState) -> None:
        """Replace what node.json says, durably; keys and certificates stay."""
        try:
            _write(self.node, _written(state), 0o644)
            _sync_folder(self.data_dir)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def load(self, *, half_changed: bool = False) -> NodeState:
        """Return who this node is; raise `ConfigError` where the folder does not say so.

        Only who can complete a change that was interrupted asks for a membership that is `half_changed`.
        """
        if self.is_half_changed and not half_changed:
            raise ConfigError(
                f"{self.data_dir}: a recovery was interrupted; complete it with `swarmlet recover --force-new-cluster`"
            )
        try:
            state = msgspec.json.decode(_read(self.node), type=NodeState)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{self.data_dir}: this machine belongs to no cluster yet; run `swarmlet init` or `swarmlet join` first"
            ) from error
        except OSError as error:
            raise _unusable(self.data_dir, error) from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise ConfigError(
                f"{self.node}: not what swarmlet wrote ({error}); put a copy of it back, or join anew"
            ) from error
        return self._checked(state)

    def authority_pem(self) -> str:
        """Return the CA's certificate; raise `ConfigError` where it cannot be read."""
        try:
            return _read(self.authority).decode()
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def certificate_pem(self) -> str:
        """Return this node's certificate; raise `ConfigError` where it cannot be read."""
        try:
            return _read(self.certificate).decode()
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def key_pem(self) -> str:
        """Return this node's private key; raise `ConfigError` where it cannot be read."""
        try:
            return _read(self.key).decode()
        except OSError as error:
            raise _unusable(self.data_dir, error) from error

    def retire(self, now: datetime) -> Path | None:
        """Forget the membership after the cluster has removed this node, so that the folder can serve a new join.

        What others have left in the folder, such as the data of volumes, is moved out of the way: returns where to,
        None where there was nothing.
        """
        try:
            for path in (self.node, self.key, self.certificate, self.authority):
                path.unlink(missing_ok=True)
            folder = self.data_dir / CONSENSUS_FOLDER
            if folder.exists():
                shutil.rmtree(folder)
            left = [path for path in self.data_dir.iterdir() if not _is_welcome(path.name) and not _is_dropped(path)]
            if not left:
                return None
            aside = self.data_dir / f"{ASIDE}{now:%Y%m%d-%H%M%S}"
            aside.mkdir(mode=0o700, exist_ok=True)
            for path in left:
                path.replace(aside / path.name)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error
        return aside

    def set_aside(self, now: datetime) -> Path:
        """Move a membership that is worth nothing any more out of the way; return where to.

        Volumes go with it: what is in them may be the only copy.
        """
        aside = self.data_dir / f"{ASIDE}{now:%Y%m%d-%H%M%S}"
        try:
            found = [path for path in self.data_dir.iterdir() if not _is_welcome(path.name) or path.name in _NAMES]
            aside.mkdir(mode=0o700)
            for path in sorted(found, key=lambda path: path != self.node):  # node.json first: it says "member"
                path.replace(aside / path.name)
            _sync_folder(self.data_dir)
        except OSError as error:
            raise _unusable(self.data_dir, error) from error
        return aside

    def _described(self) -> str:
        try:
            state = self.load()
        except ConfigError:
            return "node.json is there"
        return f'node "{state.name}" of cluster {state.cluster_id}'

    def _checked(self, state: NodeState) -> NodeState:
        try:
            node_name(state.name)
            split_address(state.advertise)
        except ValueError as error:
            raise ConfigError(f"{self.node}: name or advertise is damaged; allowed: {error}") from error
        if not is_id(state.cluster_id) or not is_id(state.node_id):
            raise ConfigError(f"{self.node}: cluster_id and node_id must be 16 hexadecimal digits; restore the file")
        return state


def _written(state: NodeState) -> bytes:
    return msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"


def _is_welcome(name: str) -> bool:
    return name in _WELCOME or name.startswith(ASIDE)


def _is_dropped(path: Path) -> bool:
    """Remove a folder where nothing is in it; say whether it is gone."""
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace `path` as a whole and wait for the disk; it is never readable by more than `mode` says."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(NODE_FILE_BYTES_MAX)


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{folder}: {error.strerror or error}; use root or name a folder of yours with --data-dir")
