"""From the short forms of keys to their long ones, so that merging and reading meet one form of each.

It works on the tree of one file, before that is merged with others: what is unique by its target needs the target.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import mounts, nodes, ports
from swarmlet.manifests.compose.nodes import Node

Form = Callable[[Node, str], Node]

_FUNCTIONAL_HOST = re.compile(r"([^=:]+)[=:](.+)")


def document(root: Node, warn: Callable[[str], None]) -> Node:
    """Return the tree of a file with all its keys in long form; raise `ManifestError` where a form is none of a key."""
    entries = dict(root.entries)
    for section, form in _SECTIONS.items():
        node = entries.get(section)
        if node is None or node.value is None:
            continue
        if not isinstance(node.value, dict):
            raise nodes.fault(node, section, f"must be a mapping, not {nodes.kind(node)}")
        forms = {name: form(each, f"{section}.{name}", warn) for name, each in node.value.items()}
        entries[section] = node.like(forms)
    return root.like(entries)


def by_key(forms: Mapping[str, Form]) -> Form:
    """Return the form of a mapping that has forms for some of its keys."""

    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, dict):
            return node
        return node.like(
            {
                key: forms[key](each, f"{path}.{key}") if key in forms and each.value is not None else each
                for key, each in node.value.items()
            }
        )

    return convert


def each_item(form: Form) -> Form:
    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, list):
            return node
        return node.like([form(each, f"{path}[{number}]") for number, each in enumerate(node.value)])

    return convert


def each_entry(form: Form) -> Form:
    def convert(node: Node, path: str) -> Node:
        if not isinstance(node.value, dict):
            return node
        return node.like({key: form(each, f"{path}.{key}") for key, each in node.value.items()})

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
        written = _FUNCTIONAL_HOST.fullmatch(each.text)
        if written is None:
            raise nodes.fault(each, f"{path}[{number}]", f"must be HOST=ADDRESS, not {nodes.kind(each)}")
        found.setdefault(written[1].strip(), []).append(_address(each.like(written[2].strip()), path))
    return node.like({name: node.like(addresses) for name, addresses in found.items()})


def ulimit(node: Node, path: str) -> Node:
    del path
    return node.like({"soft": node, "hard": node}) if isinstance(node.value, str) else node


def _address(node: Node, path: str) -> Node:
    del path
    return node.like(node.text.removeprefix("[").removesuffix("]"))


def _ports(node: Node, path: str) -> Node:
    if not isinstance(node.value, list):
        return node
    found = [port for i, each in enumerate(node.value) for port in ports.expanded(each, f"{path}[{i}]")]
    if len(found) > ports.PORTS_MAX:
        raise nodes.fault(node, path, f"over {ports.PORTS_MAX} ports")
    return node.like(found)


def _test(node: Node, path: str) -> Node:
    """Return a health check's test as a list that begins with NONE, CMD or CMD-SHELL."""
    if isinstance(node.value, str):
        return node.like([node.like("CMD-SHELL"), node])
    first = node.items[0].text if node.items else ""
    if isinstance(node.value, list) and node.value and first not in ("NONE", "CMD", "CMD-SHELL"):
        raise nodes.fault(node, path, f"must begin with NONE, CMD or CMD-SHELL, not {first[:40]!r}")
    return node


def _health(node: Node, path: str) -> Node:
    node = by_key({"test": _test})(node, path)
    test = node.entries.get("test")
    if test is not None and test.items and test.items[0].text == "NONE":
        return node.without("test").with_entries({"disable": test.like("true")})
    return node


def _gpus(node: Node, path: str) -> Node:
    if node.text == "all":
        node = node.like([node.like({"count": node})])
    return each_item(_gpu)(_device_requests(node, path), path)


def _gpu(node: Node, path: str) -> Node:
    del path
    asked = node.entries.get("capabilities")
    capabilities = asked.items if asked is not None else []
    if any(each.text == "gpu" for each in capabilities):
        return node
    return node.with_entries({"capabilities": node.like([node.like("gpu"), *capabilities])})


def _env_file(node: Node, path: str) -> Node:
    return each_item(lambda each, _: each.like({"path": each}) if isinstance(each.value, str) else each)(
        as_list(node, path), path
    )


def _secret_grants(node: Node, path: str) -> Node:
    return each_item(lambda each, below: mounts.grant(each, below, mounts.SECRETS_FOLDER))(node, path)


def _config_grants(node: Node, path: str) -> Node:
    return each_item(lambda each, below: mounts.grant(each, below, "/"))(node, path)


def _under(key: str) -> Form:
    """Return the form of a mapping that may be written as one of its keys alone."""
    return lambda node, _: node.like({key: node}) if isinstance(node.value, str) else node


def _in_turn(*forms: Form) -> Form:
    def convert(node: Node, path: str) -> Node:
        for form in forms:
            node = form(node, path)
        return node

    return convert


_device_requests = each_item(by_key({"options": pairs}))
_hook = by_key({"command": words, "environment": pairs})
_ulimits = each_entry(ulimit)
_build = _in_turn(
    _under("context"),
    by_key(
        {
            "args": pairs,
            "ssh": _in_turn(as_list, pairs),
            "labels": labels,
            "additional_contexts": pairs,
            "extra_hosts": hosts,
            "secrets": _secret_grants,
            "ulimits": _ulimits,
            "no_cache_filter": as_list,
        }
    ),
)
_deploy = by_key(
    {"labels": labels, "resources": by_key({"reservations": by_key({"devices": _device_requests})})},
)
_watch = by_key({"ignore": as_list, "include": as_list, "exec": _hook})
SERVICE_FORMS: Mapping[str, Form] = {
    "annotations": labels,
    "build": _build,
    "command": words,
    "configs": _config_grants,
    "depends_on": dependencies,
    "deploy": _deploy,
    "develop": by_key({"watch": each_item(_watch)}),
    "devices": each_item(mounts.device),
    "dns": as_list,
    "dns_search": as_list,
    "entrypoint": words,
    "env_file": _env_file,
    "environment": pairs,
    "extends": _under("service"),
    "extra_hosts": hosts,
    "gpus": _gpus,
    "healthcheck": _health,
    "label_file": as_list,
    "labels": labels,
    "models": named,
    "networks": _in_turn(named, each_entry(lambda each, _: each if each.value is not None else each.like({}))),
    "ports": _ports,
    "post_start": each_item(_hook),
    "pre_stop": each_item(_hook),
    "secrets": _secret_grants,
    "sysctls": pairs,
    "tmpfs": as_list,
    "ulimits": _ulimits,
    "volumes": each_item(_in_turn(mounts.mount, by_key({"volume": by_key({"labels": labels})}))),
}
_service = by_key(SERVICE_FORMS)


def service(node: Node, path: str, warn: Callable[[str], None] | None = None) -> Node:
    """Return a service in long form."""
    del warn
    if not isinstance(node.value, dict):
        raise nodes.fault(node, path, f"must be a mapping, not {nodes.kind(node)}")
    return _service(node, path)


def _resource(node: Node, path: str, warn: Callable[[str], None]) -> Node:
    """Return a network, volume, config or secret in long form; nothing at all is one with nothing said."""
    if node.value is None:
        return node.like({})
    node = by_key({"labels": labels})(node, path)
    external = node.entries.get("external")
    if external is None or not isinstance(external.value, dict):
        return node
    warn(f"{external.place}: {path}.external.name: is of an old form; write external: true and name: beside it")
    return node.with_entries({"external": external.like("true"), **external.entries})


_SECTIONS: Mapping[str, Callable[[Node, str, Callable[[str], None]], Node]] = {
    "services": service,
    "networks": _resource,
    "volumes": _resource,
    "configs": _resource,
    "secrets": _resource,
    "models": _resource,
}
