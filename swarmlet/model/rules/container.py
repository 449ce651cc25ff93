"""Rules of a Pod's containers: image, ports, environment, resources, mounts. `probes` has those of their life."""

from __future__ import annotations

import re
from collections.abc import Sequence

from swarmlet.errors import InvalidError
from swarmlet.model import quantity, syntax
from swarmlet.model.container import (
    Container,
    ContainerPort,
    VolumeMount,
)
from swarmlet.model.problems import Place
from swarmlet.model.rules import environment

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_DOTS = re.compile(r"(^|/)\.\.(/|$)")


def container(value: Container, place: Place, volume_names: set[str]) -> None:
    """Check one container; `volume_names` are what it may mount."""
    required_label(value.name, place.field("name"))
    if not value.image.strip():
        place.field("image").required()
    elif value.image != value.image.strip():
        place.field("image").invalid(value.image, "must not have leading or trailing whitespace")
    place.field("imagePullPolicy").one_of(value.image_pull_policy or "Always", PULL_POLICIES)
    _ports(value.ports, place.field("ports"))
    environment.variables(value.env, place.field("env"))
    environment.whole_sources(value.env_from, place.field("envFrom"))
    _mounts(value.volume_mounts, place.field("volumeMounts"), volume_names)


def host_ports(ports: Sequence[ContainerPort], place: Place, taken: set[str], *, host_network: bool) -> None:
    """Check that no two ports of a Pod take one port of the host; adds to `taken`."""
    for inner, port in place.each(ports):
        if not port.host_port:
            continue
        word = f"{port.protocol}/{port.host_ip}/{port.host_port}"
        if word in taken:
            inner.field("hostPort").duplicate(word)
        taken.add(word)
        if host_network and port.host_port != port.container_port:
            inner.field("hostPort").invalid(port.host_port, "must match `containerPort` when `hostNetwork` is true")


def required_label(name: str, place: Place) -> None:
    """Check a name that must be there and be a DNS label."""
    if name:
        place.invalid_each(name, syntax.dns_label(name))
    else:
        place.required()


def relative_path(path: str, place: Place) -> None:
    """Check a path that must stay inside its folder."""
    if path.startswith("/"):
        place.invalid(path, "must be a relative path")
    no_back_steps(path, place)


def no_back_steps(path: str, place: Place) -> None:
    """Check that a path does not climb."""
    if _DOTS.search(path):
        place.invalid(path, "must not contain '..'")


def _ports(ports: Sequence[ContainerPort], place: Place) -> None:
    names: set[str] = set()
    for inner, port in place.each(ports):
        if port.name:
            inner.field("name").invalid_each(port.name, syntax.port_name(port.name))
            if port.name in names:
                inner.field("name").duplicate(port.name)
            names.add(port.name)
        if port.container_port:
            inner.field("containerPort").invalid_each(port.container_port, syntax.port_number(port.container_port))
        else:
            inner.field("containerPort").required()
        if port.host_port:
            inner.field("hostPort").invalid_each(port.host_port, syntax.port_number(port.host_port))
        inner.field("protocol").one_of(port.protocol, PROTOCOLS)


def _mounts(mounts: Sequence[VolumeMount], place: Place, volume_names: set[str]) -> None:
    paths: set[str] = set()
    for inner, mount in place.each(mounts):
        if not mount.name:
            inner.field("name").required()
        elif mount.name not in volume_names:
            inner.field("name").not_found(mount.name)
        if not mount.mount_path:
            inner.field("mountPath").required()
        elif mount.mount_path in paths:
            inner.field("mountPath").invalid(mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        _sub_path(mount, inner)


def _sub_path(mount: VolumeMount, place: Place) -> None:
    if mount.sub_path:
        relative_path(mount.sub_path, place.field("subPath"))
    if mount.sub_path_expr:
        if mount.sub_path:
            place.field("subPathExpr").invalid(mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
        relative_path(mount.sub_path_expr, place.field("subPathExpr"))


def amount_of(text: str, place: Place | None = None) -> int | None:
    """Return a quantity in billionths; None, complaining at `place`, where it is none."""
    try:
        return quantity.parse(text).nano
    except InvalidError as error:
        if place:
            place.invalid(text, str(error))
        return None
