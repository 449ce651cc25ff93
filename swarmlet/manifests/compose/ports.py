"""The short forms of ports: "8080:80", "127.0.0.1:5000-5010:5000-5010/udp", "3000-3005", "[::1]:6001:6001".

Source: compose-spec/05-services.md, "ports".
"""

from __future__ import annotations

import re

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.nodes import Node

PORTS_MAX = 1000
NUMBER_MAX = 65535
ANY = 0
"""The published port that lets the platform choose one."""

_SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]*\]|[^\[\]/]*):)?(?P<published>[0-9]{0,5}(?:-[0-9]{1,5})?):)?"
    r"(?P<target>[0-9]{1,5}(?:-[0-9]{1,5})?)(?:/(?P<protocol>[A-Za-z]+))?"
)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def expanded(node: Node, path: str) -> list[Node]:
    """Return the ports of one entry in long form: one for each port of a range."""
    if isinstance(node.value, dict):
        return [_long(node, path)]
    short = _SHORT.fullmatch(node.text)
    if short is None:
        raise nodes.fault(node, path, f"{node.text[:60]!r} is no port; it is [[IP:]HOST:]CONTAINER[/PROTOCOL]")
    targets = _numbers(node, short["target"], path)
    if len(targets) > PORTS_MAX:
        raise nodes.fault(node, path, f"{short['target']} is over {PORTS_MAX} ports")
    published = _published(node, short["published"] or "", targets, path)
    address = (short["ip"] or "").removeprefix("[").removesuffix("]")
    common = {"mode": "ingress", "host_ip": address, "protocol": (short["protocol"] or "tcp").lower()}
    return [
        node.like(
            {key: node.like(value) for key, value in {**common, "target": str(target), "published": host}.items()}
        )
        for target, host in zip(targets, published, strict=True)
    ]


def _long(node: Node, path: str) -> Node:
    published = node.entries.get("published")
    if published is not None and published.value is not None:
        _numbers(published, published.text, f"{path}.published")
    defaults = {"mode": node.like("ingress"), "protocol": node.like("tcp")}
    given = {key: each for key, each in node.entries.items() if each.value is not None}
    if given.get("published", node).text == str(ANY):
        del given["published"]
    return node.like({**defaults, **given})


def _numbers(node: Node, text: str, path: str) -> range:
    written = _RANGE.fullmatch(text)
    first = int(written[1]) if written else -1
    last = int(written[2] or first) if written else -1
    if not 0 <= first <= last <= NUMBER_MAX:
        raise nodes.fault(node, path, f"{text[:60]!r} is no port or range of ports from 1 to {NUMBER_MAX}")
    return range(first, last + 1)


def _published(node: Node, text: str, targets: range, path: str) -> list[str]:
    """Return what each target is published as: a range on one target stays a range to choose from."""
    if not text:
        return [""] * len(targets)
    numbers = _numbers(node, text, path)
    if len(numbers) == len(targets):
        return ["" if number == ANY else str(number) for number in numbers]
    if len(targets) == 1:
        return [text]
    raise nodes.fault(node, path, f"{node.text!r} has {len(numbers)} host ports for {len(targets)} container ports")
