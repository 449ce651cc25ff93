"""From the short forms of keys to their long ones, so that merging and reading meet one form of each.

It works on the tree of one file, before that is merged with others: what is unique by its target needs the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import forms, mounts, nodes, ports
from swarmlet.manifests.compose.forms import Form
from swarmlet.manifests.compose.nodes import Node


def document(root: Node, warn: Callable[[str], None]) -> Node:
    """Return the tree of a file with all its keys in long form; raise `ManifestError` where a form is none of a key."""
    entries = dict(root.entries)
    for section, form in _SECTIONS.items():
        node = entries.get(section)
        if node is None or node.value is None:
            continue
        if not isinstance(node.value, dict):
            raise nodes.fault(node, section, f"must be a mapping, not {nodes.kind(node)}")
        entries[section] = node.like(
            {
                name: each if each.tag == nodes.RESET else form(each, f"{section}.{name}", warn)
                for name, each in node.value.items()
            }
        )
    return root.like(entries)


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
        return node.like([node] if node.value == "NONE" else [node.like("CMD-SHELL"), node])
    first = node.items[0].text if node.items else ""
    if isinstance(node.value, list) and node.value and first not in ("NONE", "CMD", "CMD-SHELL"):
        raise nodes.fault(node, path, f"must begin with NONE, CMD or CMD-SHELL, not {first[:40]!r}")
    return node


def _health(node: Node, path: str) -> Node:
    node = forms.by_key({"test": _test})(node, path)
    test = node.entries.get("test")
    if test is not None and test.items and test.items[0].text == "NONE":
        return node.without("test").with_entries({"disable": test.like("true")})
    return node


def _gpus(node: Node, path: str) -> Node:
    if node.text == "all":
        node = node.like([node.like({"count": node})])
    return forms.each_item(_gpu)(_device_requests(node, path), path)


def _gpu(node: Node, path: str) -> Node:
    del path
    asked = node.entries.get("capabilities")
    capabilities = asked.items if asked is not None else []
    if any(each.text == "gpu" for each in capabilities):
        return node
    return node.with_entries({"capabilities": node.like([node.like("gpu"), *capabilities])})


def _env_file(node: Node, path: str) -> Node:
    return forms.each_item(lambda each, _: each.like({"path": each}) if isinstance(each.value, str) else each)(
        forms.as_list(node, path), path
    )


def _condition(node: Node, path: str) -> Node:
    """Return when to start again in Swarm's words: Compose takes those of `restart` too."""
    del path
    return node.like(_CONDITIONS[node.text]) if node.text in _CONDITIONS else node


def _secret_grants(node: Node, path: str) -> Node:
    return forms.each_item(lambda each, below: mounts.grant(each, below, mounts.SECRETS_FOLDER))(node, path)


def _config_grants(node: Node, path: str) -> Node:
    return forms.each_item(lambda each, below: mounts.grant(each, below, "/"))(node, path)


_device_requests = forms.each_item(forms.by_key({"options": forms.pairs}))
_hook = forms.by_key({"command": forms.words, "environment": forms.pairs})
_ulimits = forms.each_entry(forms.ulimit)
_build = forms.in_turn(
    forms.under("context"),
    forms.by_key(
        {
            "args": forms.pairs,
            "ssh": forms.in_turn(forms.as_list, forms.pairs),
            "labels": forms.labels,
            "additional_contexts": forms.pairs,
            "extra_hosts": forms.hosts,
            "secrets": _secret_grants,
            "ulimits": _ulimits,
            "no_cache_filter": forms.as_list,
        }
    ),
)
_CONDITIONS = {"no": "none", "always": "any", "unless-stopped": "any"}
_deploy = forms.by_key(
    {
        "labels": forms.labels,
        "resources": forms.by_key({"reservations": forms.by_key({"devices": _device_requests})}),
        "restart_policy": forms.by_key({"condition": _condition}),
    }
)
_watch = forms.by_key({"ignore": forms.as_list, "include": forms.as_list, "exec": _hook})
_networks = forms.in_turn(
    forms.named, forms.each_entry(lambda each, _: each if each.value is not None else each.like({}))
)
_volume = forms.in_turn(mounts.mount, forms.by_key({"volume": forms.by_key({"labels": forms.labels})}))
_SERVICE_FORMS: Mapping[str, Form] = {
    "annotations": forms.labels,
    "build": _build,
    "command": forms.words,
    "configs": _config_grants,
    "depends_on": forms.dependencies,
    "deploy": _deploy,
    "develop": forms.by_key({"watch": forms.each_item(_watch)}),
    "devices": forms.each_item(mounts.device),
    "dns": forms.as_list,
    "dns_search": forms.as_list,
    "entrypoint": forms.words,
    "env_file": _env_file,
    "environment": forms.pairs,
    "extends": forms.under("service"),
    "extra_hosts": forms.hosts,
    "gpus": _gpus,
    "healthcheck": _health,
    "label_file": forms.as_list,
    "labels": forms.labels,
    "models": forms.named,
    "networks": _networks,
    "ports": _ports,
    "post_start": forms.each_item(_hook),
    "pre_stop": forms.each_item(_hook),
    "secrets": _secret_grants,
    "sysctls": forms.pairs,
    "tmpfs": forms.as_list,
    "ulimits": _ulimits,
    "volumes": forms.each_item(_volume),
}
_service = forms.by_key(_SERVICE_FORMS)


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
    node = forms.by_key({"labels": forms.labels})(node, path)
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
