"""What `describe` tells of variables, mounts and volumes. Source: kubectl pkg/describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmlet.errors import InvalidError
from swarmlet.model import quantity

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
NODE_ALLOCATABLE = "node allocatable"

_TYPES = {
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "hostPath": "HostPath (bare host directory volume)",
    "downwardAPI": "DownwardAPI (a volume populated by information about the pod)",
    "projected": "Projected (a volume that contains injected data from multiple sources)",
    "persistentVolumeClaim": "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
}


def environment(container: Document, pod: Document) -> Lines:
    """Return the lines of a container's variables; no value of a ConfigMap or Secret is among them.

    `pod` is the whole object, {} where the container is of a template.
    """
    whole = [_whole_source(each) for each in container.get("envFrom") or ()]
    lines: Lines = [("Environment Variables from", whole)] if whole else []
    variables = [(each["name"], _variable(each, container, pod)) for each in container.get("env") or ()]
    return [*lines, ("Environment", variables or NONE)]


def mounts(container: Document) -> list[str] | str:
    """Return a line for each volume that a container sees."""
    return [_mount(each) for each in container.get("volumeMounts") or ()] or NONE


def volumes(spec: Document) -> Lines | str:
    """Return what each volume of a Pod is."""
    return [(each["name"], _volume(each)) for each in spec.get("volumes") or ()] or NONE


def _whole_source(each: Document) -> tuple[str, str]:
    kind, source = ("ConfigMap", each["configMapRef"]) if each.get("configMapRef") else ("Secret", each["secretRef"])
    prefix = f" with prefix '{each['prefix']}'" if each.get("prefix") else ""
    return str(source.get("name")), f"{kind}{prefix}  Optional: {_optional(source)}"


def _variable(variable: Document, container: Document, pod: Document) -> Any:
    source = variable.get("valueFrom") or {}
    if found := source.get("fieldRef"):
        return f"{_field(found['fieldPath'], pod)} ({found.get('apiVersion', 'v1')}:{found['fieldPath']})".strip()
    if found := source.get("resourceFieldRef"):
        return f"{_amount(found, container)} ({found['resource']})".strip()
    if found := source.get("secretKeyRef"):
        return f"<set to the key '{found['key']}' in secret '{found.get('name')}'>  Optional: {_optional(found)}"
    if found := source.get("configMapKeyRef"):
        return f"<set to the key '{found['key']}' of config map '{found.get('name')}'>  Optional: {_optional(found)}"
    return str(variable.get("value") or "").splitlines() or ""


def _field(path: str, pod: Document) -> str:
    """Return a field of the Pod as its variable has it, "" where that is not known here."""
    name, _, rest = path.partition("['")
    value: Any = pod
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if rest and isinstance(value, Mapping):
        return str(value.get(rest.removesuffix("']"), ""))
    return value if isinstance(value, str) else ""


def _amount(selector: Document, container: Document) -> str:
    kind, _, name = selector["resource"].partition(".")
    text = ((container.get("resources") or {}).get(kind) or {}).get(name)
    if text is None:
        return NODE_ALLOCATABLE if kind == "limits" else "0"
    try:
        divisor = quantity.parse(selector.get("divisor") or "0").nano or 10**9
        return str(-(-quantity.parse(text).nano // divisor))
    except InvalidError:
        return ""


def _mount(each: Document) -> str:
    flags = ["ro" if each.get("readOnly") else "rw"]
    sub_path = each.get("subPath") or each.get("subPathExpr")
    flags += [f'path="{sub_path}"'] if sub_path else []
    return f"{each['mountPath']} from {each['name']} ({','.join(flags)})"


def _volume(volume: Document) -> Lines:
    kind = next((key for key in volume if key != "name"), "")
    lines: Lines = [("Type", _TYPES.get(kind, kind))]
    teller = _TELLERS.get(kind)
    return lines + (teller(volume[kind]) if teller else [])


def _config_map(source: Document) -> Lines:
    return [("Name", str(source.get("name"))), ("Optional", _optional(source))]


def _secret(source: Document) -> Lines:
    return [("SecretName", str(source.get("secretName"))), ("Optional", _optional(source))]


def _empty_dir(source: Document) -> Lines:
    return [("Medium", str(source.get("medium") or "")), ("SizeLimit", str(source.get("sizeLimit") or "<unset>"))]


def _host_path(source: Document) -> Lines:
    return [("Path", str(source.get("path"))), ("HostPathType", str(source.get("type") or ""))]


def _downward_api(source: Document) -> Lines:
    return [("Items", [_item(each) for each in source.get("items") or ()] or NONE)]


def _item(each: Document) -> str:
    reference = each.get("fieldRef") or {}
    shown = reference.get("fieldPath") or (each.get("resourceFieldRef") or {}).get("resource")
    return f"{shown} -> {each['path']}"


def _projected(source: Document) -> Lines:
    lines: Lines = []
    for each in source.get("sources") or ():
        if secret := each.get("secret"):
            lines += [("SecretName", str(secret.get("name"))), ("Optional", _optional(secret))]
        if each.get("downwardAPI") is not None:
            lines.append(("DownwardAPI", "true"))
        if config_map := each.get("configMap"):
            lines += [("ConfigMapName", str(config_map.get("name"))), ("Optional", _optional(config_map))]
    return lines


def _claim(source: Document) -> Lines:
    return [("ClaimName", str(source.get("claimName"))), ("ReadOnly", str(bool(source.get("readOnly"))).lower())]


def _optional(source: Document) -> str:
    return str(bool(source.get("optional"))).lower()


_TELLERS = {
    "configMap": _config_map,
    "secret": _secret,
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "downwardAPI": _downward_api,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
}
