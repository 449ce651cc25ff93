"""Ways to rewrite a node from a short form to a long one, and to combine such ways.

A form leaves what it does not know as it is: the reader of types says what is wrong with it, with its path.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.nodes import Node

Form = Callable[[Node, str], Node]
"""Takes a node and its path, for errors; returns the node in long form."""

_HOST = re.compile(r"([^=:]+)[=:](.+)")


def by_key(forms: Mapping[str, Form]) -> Form:
    """Return the form of a mapping, some of whose keys have forms."""

    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, dict):
            return node
        return node.like(
            {
                key: forms[key](each, nodes.below(path, key)) if key in forms and each.value is not None else each
                for key, each in node.value.items()
            }
        )

    return convert


def each_item(form: Form) -> Form:
    """Return the form of a list, all of whose items have one."""

    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, list):
            return node
        return node.like([form(each, f"{path}[{number}]") for number, each in enumerate(node.value)])

    return convert


def each_entry(form: Form) -> Form:
    """Return the form of a mapping, all of whose entries have one."""

    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, dict):
            return node
        return node.like({key: form(each, nodes.below(path, key)) for key, each in node.value.items()})

    return convert


def as_list(node: Node, path: str) -> Node:
    """Return a list of one for a text alone."""
    del path
    return node.like([node.like(node.value)]) if isinstance(node.value, str) else node


def words(node: Node, path: str) -> Node:
    """Return a command as words: text is split as a shell splits it, without a shell's other doings."""
    if not isinstance(node.value, str):
        return node
    try:
        return node.like([node.like(word) for word in shlex.split(node.value)])
    except ValueError as error:
        raise nodes.fault(node, path, f"{node.value[:60]!r} is no command: {str(error).lower()}") from None


def pairs(node: Node, path: str, missing: str | None = None) -> Node:
    """Return a list of "KEY=VALUE" as a mapping; `missing` is the value of a key alone."""
    if not isinstance(node.value, list):
        return node
    found: dict[str, Node] = {}
    for number, each in enumerate(node.value):
        key, is_assigned, value = each.text.partition("=")
        if not key:
            raise nodes.fault(each, f"{path}[{number}]", f"must be KEY=VALUE, not {nodes.kind(each)}")
        found[key] = each.like(value if is_assigned else missing)
    return node.like(found)


def labels(node: Node, path: str) -> Node:
    """Return labels as a mapping to texts: a label alone is an empty one."""
    return each_entry(lambda each, _: each if each.value is not None else each.like(""))(pairs(node, path, ""), path)


def named(node: Node, path: str) -> Node:
    """Return a list of names as a mapping of them to nothing."""
    if not isinstance(node.value, list):
        return node
    found: dict[str, Node] = {}
    for number, each in enumerate(node.value):
        if not each.text:
            raise nodes.fault(each, f"{path}[{number}]", f"must be a name, not {nodes.kind(each)}")
        found[each.text] = each.like({})
    return node.like(found)


def dependencies(node: Node, path: str) -> Node:
    """Return `depends_on` as a mapping, each with its condition."""
    started = {"condition": node.like("service_started")}

    def entry(each: Node, below: str) -> Node:
        del below
        return each if isinstance(each.value, list | str) else each.like({**started, **each.entries})

    return each_entry(entry)(named(node, path), path)


def hosts(node: Node, path: str) -> Node:
    """Return "name=address" entries as a mapping of names to addresses."""
    if isinstance(node.value, dict):
        return each_entry(lambda each, below: each_item(_address)(as_list(each, below), below))(node, path)
    if not isinstance(node.value, list):
        return node
    found: dict[str, list[Node]] = {}
    for number, each in enumerate(node.items):
        written = _HOST.fullmatch(each.text)
        if written is None:
            raise nodes.fault(each, f"{path}[{number}]", f"must be HOST=ADDRESS, not {nodes.kind(each)}")
        found.setdefault(written[1].strip(), []).append(_address(each.like(written[2].strip()), path))
    return node.like({name: node.like(addresses) for name, addresses in found.items()})


def ulimit(node: Node, path: str) -> Node:
    """Return a limit with its soft and hard value."""
    del path
    return node.like({"soft": node, "hard": node}) if isinstance(node.value, str) else node


def under(key: str) -> Form:
    """Return the form of a mapping that may be written as one of its keys alone."""
    return lambda node, _: node.like({key: node}) if isinstance(node.value, str) else node


def in_turn(*forms: Form) -> Form:
    """Return the form that is several, one after the other."""

    def convert(node: Node, path: str) -> Node:
        for form in forms:
            node = form(node, path)
        return node

    return convert


def _address(node: Node, path: str) -> Node:
    del path
    return node.like(node.text.removeprefix("[").removesuffix("]"))
