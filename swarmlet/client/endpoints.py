"""Where the API is and how to be let in: the local admin's socket, or servers and credentials of a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmlet.addresses import DEFAULT_SOCKET, PORT
from swarmlet.errors import ConfigError

FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to act as; a name of "" is oneself. Source: Kubernetes' user impersonation."""

    name: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers that ask for it; raise `ConfigError` for groups of nobody."""
        if not self.name:
            if self.groups or self.uid:
                raise ConfigError("--as-group and --as-uid go with --as: whom to act as")
            return []
        groups = [("Impersonate-Group", group) for group in self.groups]
        return [("Impersonate-User", self.name), *groups, *([("Impersonate-Uid", self.uid)] if self.uid else [])]


NOBODY = Person()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`urls` are the servers to try in turn; with a `socket` there is one, and its host means nothing."""

    urls: tuple[str, ...]
    socket: Path | None = None
    tls: ssl.SSLContext | None = None
    token: str = ""
    tls_server_name: str = ""
    namespace: str = ""
    acting_as: Person = NOBODY

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return str(self.socket) if self.socket else ", ".join(self.urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person said about where the API is; nothing, as a rule."""

    socket: Path | None = None
    servers: tuple[str, ...] = ()
    kubeconfig: Path | None = None
    token: str = ""
    authority: Path | None = None
    context: str = ""
    acting_as: Person = NOBODY


def choose(choice: Choice, environment: Mapping[str, str]) -> Endpoint:
    """Return the endpoint: what was said, else `SWARMLET_SOCKET`, else this machine's daemon, else `KUBECONFIG`."""
    found = _chosen(choice, environment)
    return replace(found, acting_as=choice.acting_as)


def _chosen(choice: Choice, environment: Mapping[str, str]) -> Endpoint:
    if choice.socket:
        return local(choice.socket)
    kubeconfig = kubeconfig_of(environment, choice.kubeconfig)
    if choice.servers or choice.kubeconfig or choice.token or choice.context:
        if choice.context and not kubeconfig:
            raise ConfigError("--context chooses in a kubeconfig, and there is none: name it with --kubeconfig")
        return remote(
            servers=choice.servers,
            kubeconfig=kubeconfig,
            token=choice.token,
            authority=choice.authority,
            context=choice.context,
        )
    if named := environment.get("SWARMLET_SOCKET"):
        return local(Path(named))
    if kubeconfig and not os.path.lexists(DEFAULT_SOCKET) and environment.get("KUBECONFIG"):
        return remote(kubeconfig=kubeconfig)
    return local(DEFAULT_SOCKET)


def kubeconfig_of(environment: Mapping[str, str], given: Path | None = None) -> Path | None:
    """Return the file that was named, else the first of `KUBECONFIG`, else kubectl's default file where it exists."""
    if given:
        return given
    if named := environment.get("KUBECONFIG", "").split(os.pathsep)[0]:
        return Path(named)
    default = Path(environment.get("HOME") or "/nonexistent") / ".kube" / "config"
    return default if default.exists() else None


def local(socket: Path) -> Endpoint:
    """Return the endpoint of the daemon on this machine, whose socket makes its caller the admin."""
    return Endpoint(urls=("http://localhost",), socket=socket)


def remote(
    *,
    servers: Sequence[str] = (),
    kubeconfig: Path | None = None,
    token: str = "",
    authority: Path | None = None,
    context: str = "",
) -> Endpoint:
    """Return the endpoint that a kubeconfig's current context names, with what else is given laid over it.

    Args:
        servers: addresses or URLs ("h1", "h1:7600", "https://h1:7600"), tried in turn.
        kubeconfig: a file that `swarmlet kubeconfig` wrote, or kubectl; None: `servers` must be given.
        token: a bearer token that goes before the file's credentials.
        authority: the PEM file of the CA that vouches for the servers.
        context: which of the kubeconfig's contexts; "": the current one.

    Raises:
        ConfigError: a file that cannot be read or lacks what is needed.
    """
    cluster, user, chosen = _context(kubeconfig, context) if kubeconfig else ({}, {}, {})
    urls = tuple(_url(server) for server in servers) or ((str(cluster["server"]),) if cluster.get("server") else ())
    if not urls:
        raise ConfigError("no server is known: name one with --server, or a file that tells with --kubeconfig")
    return Endpoint(
        urls=tuple(url.rstrip("/") for url in urls),
        tls=_tls_context(cluster, {} if token else user, authority, kubeconfig),
        token=token or str(user.get("token") or ""),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        namespace=str(chosen.get("namespace") or ""),
    )


def _url(server: str) -> str:
    if "://" in server:
        return server
    has_port = server.rpartition(":")[2].isdigit() and (server.count(":") == 1 or "]:" in server)
    return f"https://{server}" if has_port else f"https://{server}:{PORT}"


def _context(path: Path, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    document = _read(path)
    wanted = name or document.get("current-context")
    context = _named(document, "contexts", "context", wanted, path)
    return (
        _named(document, "clusters", "cluster", context.get("cluster"), path),
        _named(document, "users", "user", context.get("user"), path),
        context,
    )


def _read(path: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415  the local socket, which most commands use, needs none

    try:
        with path.open("rb") as stream:
            document = yaml.safe_load(stream.read(FILE_BYTES_MAX))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; name a kubeconfig with --kubeconfig") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: not a kubeconfig; `swarmlet kubeconfig` prints one")
    return document


def _named(document: Mapping[str, Any], section: str, key: str, name: object, path: Path) -> Mapping[str, Any]:
    for entry in document.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(key), dict):
            return dict(entry[key])
    known = ", ".join(str(entry.get("name")) for entry in document.get(section) or () if isinstance(entry, dict))
    raise ConfigError(f'{path}: {section}: no entry "{name}"; there are: {known or "none"}')


def _tls_context(
    cluster: Mapping[str, Any], user: Mapping[str, Any], authority: Path | None, kubeconfig: Path | None
) -> ssl.SSLContext:
    try:
        pem = authority.read_bytes() if authority else _material(cluster, "certificate-authority", kubeconfig)
        context = ssl.create_default_context(cadata=pem.decode("ascii") if pem else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate = _material(user, "client-certificate", kubeconfig)
        key = _material(user, "client-key", kubeconfig)
        if certificate and key:
            with _unlinked(certificate) as certificate_file, _unlinked(key) as key_file:
                context.load_cert_chain(certificate_file, key_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, binascii.Error a ValueError
        what = getattr(error, "strerror", None) or error
        raise ConfigError(f"{authority or kubeconfig}: a certificate or key is unusable: {what}") from error
    return context


def _material(section: Mapping[str, Any], key: str, kubeconfig: Path | None) -> bytes:
    """Return the PEM of "<key>-data" (base64) or of the file that "<key>" names, relative to the kubeconfig."""
    if text := section.get(f"{key}-data"):
        try:
            return base64.b64decode(str(text), validate=True)
        except binascii.Error as error:
            raise ValueError(f"{key}-data is not base64") from error
    if (name := section.get(key)) and kubeconfig:
        return (kubeconfig.parent / str(name)).read_bytes()
    return b""


@contextlib.contextmanager
def _unlinked(content: bytes) -> Iterator[str]:
    """Yield a path to `content` in memory: OpenSSL reads keys from files only, and keys stay off the disk."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
