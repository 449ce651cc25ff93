"""What `describe` says of an object: labels and values, nested, from the object alone.

A description is a list of (label, value): text stands beside its label, several texts below each other, and a
description inside a description is indented under its label. `rendered` sets them, values of one level aligned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from swarmlet.cli import terminal
from swarmlet.cli.descriptions import access as access_descriptions
from swarmlet.cli.descriptions import autoscaling as autoscaling_descriptions
from swarmlet.cli.descriptions import batch as batch_descriptions
from swarmlet.cli.descriptions import network_policies as network_policy_descriptions
from swarmlet.cli.descriptions import pods as pod_descriptions
from swarmlet.cli.descriptions import policy as policy_descriptions
from swarmlet.cli.descriptions import probes as probe_descriptions
from swarmlet.cli.descriptions import quotas as quota_descriptions
from swarmlet.cli.descriptions import scheduling as scheduling_descriptions
from swarmlet.cli.descriptions import security as security_descriptions
from swarmlet.cli.descriptions import services as service_descriptions
from swarmlet.cli.descriptions import storage as storage_descriptions

NONE = "<none>"
GAP = 2
INDENT = "  "
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
VALUE_LENGTH_MAX = 200

Value: TypeAlias = "str | Sequence[str] | Description"
Description: TypeAlias = list[tuple[str, Any]]
Document = Mapping[str, Any]


def rendered(description: Description, indent: str = "") -> list[str]:
    """Return the lines of a description; nothing in them steers the terminal."""
    flat = [label for label, value in description if not _is_nested(value)]
    width = max((len(label) + 1 for label in flat), default=0) + GAP
    lines: list[str] = []
    for label, value in description:
        if _is_nested(value):
            lines.append(terminal.plain(f"{indent}{label}:"))
            lines += rendered(value, indent + INDENT)
            continue
        first, *others = [value] if isinstance(value, str) else list(value) or [NONE]
        told = [f"{indent}{label + ':':<{width}}{first}".rstrip(), *(f"{indent}{'':<{width}}{each}" for each in others)]
        lines += map(terminal.plain, told)
    return lines


def describe(document: Document) -> Description:
    """Return the description of an object of any kind."""
    body = BODIES.get(document.get("kind", ""), _anything)
    return [*_head(document), *body(document)]


def template(pod_template: Document) -> Description:
    """Return the description of a Pods' template."""
    metadata, spec = pod_template.get("metadata") or {}, pod_template["spec"]
    notes = [("Annotations", _pairs(metadata["annotations"], ": "))] if metadata.get("annotations") else []
    told = [*_labels(metadata), *notes, *security_descriptions.account(spec), *_pod_spec(spec), *_placement(spec)]
    return [("Pod Template", told)]


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], tuple)


def _head(document: Document) -> Description:
    metadata = document["metadata"]
    head: Description = [("Name", metadata["name"])]
    if metadata.get("namespace"):
        head.append(("Namespace", metadata["namespace"]))
    head += _labels(metadata)
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    head.append(("Annotations", _pairs(annotations, ": ")))
    head.append(("Created", str(metadata.get("creationTimestamp") or "")))
    if metadata.get("deletionTimestamp"):
        head.append(("Deleted", f"{metadata['deletionTimestamp']} (its end is waited for)"))
    owners = [
        f"{owner['kind']}/{owner['name']}" for owner in metadata.get("ownerReferences") or () if owner.get("controller")
    ]
    return head + ([("Controlled By", owners)] if owners else [])


def _labels(metadata: Document) -> Description:
    return [("Labels", _pairs(metadata.get("labels") or {}, "="))]


def _pairs(mapping: Mapping[str, Any], separator: str) -> Sequence[str]:
    return [f"{key}{separator}{value}" for key, value in sorted(mapping.items())] or NONE


def _conditions(status: Document) -> Description:
    found: Description = []
    for each in status.get("conditions") or ():
        why = ": ".join(part for part in (each.get("reason"), each.get("message")) if part)
        found.append((each["type"], f"{each['status']:<6} {why}".rstrip()))
    return [("Conditions", found or NONE)]


# Kinds.


def _pod(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    node = spec.get("nodeName")
    body: Description = [
        *scheduling_descriptions.classes(spec),
        *security_descriptions.account(spec),
        ("Node", f"{node}/{status.get('hostIP', '')}" if node else NONE),
        ("Start Time", str(status.get("startTime") or NONE)),
        ("Status", str(status.get("phase") or "Pending")),
    ]
    body += [
        (label, str(status[key])) for label, key in (("Reason", "reason"), ("Message", "message")) if key in status
    ]
    body += scheduling_descriptions.waiting(document)
    if "activeDeadlineSeconds" in spec:
        body.append(("Active Deadline Seconds", f"{spec['activeDeadlineSeconds']}s"))
    body += [("IP", str(status.get("podIP") or NONE))]
    body += [("IPs", ",".join(each["ip"] for each in status.get("podIPs") or ()) or NONE)]
    body += [("QoS Class", str(status.get("qosClass") or NONE))]
    statuses = {
        each["name"]: each
        for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    }
    return body + _pod_spec(spec, statuses, document) + _conditions(status) + _placement(spec)


def _deployment(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    counts = (
        f"{spec.get('replicas', 1)} desired | {status.get('updatedReplicas', 0)} updated | "
        f"{status.get('replicas', 0)} total | {status.get('availableReplicas', 0)} available | "
        f"{status.get('unavailableReplicas', 0)} unavailable"
    )
    body: Description = [("Selector", _selector(spec)), ("Replicas", counts)]
    body.append(("StrategyType", str(strategy.get("type") or NONE)))
    body.append(("MinReadySeconds", str(spec.get("minReadySeconds", 0))))
    if rolling:
        surge = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        body.append(("RollingUpdateStrategy", surge))
    return body + template(spec["template"]) + _conditions(status)


def _replica_set(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    counts = f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired"
    ready = f"{status.get('readyReplicas', 0)} ready"
    return [("Selector", _selector(spec)), ("Replicas", counts), ("Pods", ready), *template(spec["template"])]


def _stateful_set(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    body: Description = [
        ("Selector", _selector(spec)),
        ("Service Name", str(spec.get("serviceName") or NONE)),
        ("Replicas", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total"),
        ("Pods", f"{status.get('readyReplicas', 0)} ready | {status.get('availableReplicas', 0)} available"),
        ("Pod Management", str(spec.get("podManagementPolicy") or NONE)),
        ("Update Strategy", str(strategy.get("type") or NONE)),
    ]
    if rolling := strategy.get("rollingUpdate"):
        body.append(("Partition", str(rolling.get("partition", 0))))
        body.append(("Max Unavailable", str(rolling.get("maxUnavailable", 1))))
    for label, key, count in (("Current", "current", "currentReplicas"), ("Update", "update", "updatedReplicas")):
        body.append((f"{label} Revision", f"{status.get(f'{key}Revision') or NONE} on {status.get(count, 0)} Pods"))
    body += storage_descriptions.retention(spec)
    return body + template(spec["template"]) + storage_descriptions.claim_templates(spec)


def _daemon_set(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    counts = (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    )
    body: Description = [
        ("Selector", _selector(spec)),
        ("Node-Selector", _pairs(spec["template"]["spec"].get("nodeSelector") or {}, "=")),
        ("Update Strategy", str(strategy.get("type") or NONE)),
    ]
    if rolling := strategy.get("rollingUpdate"):
        surge = f"{rolling.get('maxUnavailable', 1)} max unavailable, {rolling.get('maxSurge', 0)} max surge"
        body.append(("RollingUpdateStrategy", surge))
    return body + [(label, str(status.get(key, 0))) for label, key in counts] + template(spec["template"])


def _job(document: Document) -> Description:
    spec, status = document["spec"], document.get("status") or {}
    told = [*batch_descriptions.job_spec(spec), *batch_descriptions.job_status(status)]
    return [("Selector", _selector(spec)), *told, *template(spec["template"]), *_conditions(status)]


def _horizontal_pod_autoscaler(document: Document) -> Description:
    status = document.get("status") or {}
    return autoscaling_descriptions.horizontal_pod_autoscaler(document) + _conditions(status)


def _cron_job(document: Document) -> Description:
    spec = document["spec"]["jobTemplate"]["spec"]
    return [*batch_descriptions.cron_job(document), *batch_descriptions.job_spec(spec), *template(spec["template"])]


def _pod_disruption_budget(document: Document) -> Description:
    told = policy_descriptions.pod_disruption_budget(document)
    return [("Selector", _selector(document["spec"])), *told, *_conditions(document.get("status") or {})]


def _node(document: Document) -> Description:
    spec, status = document.get("spec") or {}, document.get("status") or {}
    taints = [_taint(each) for each in spec.get("taints") or ()]
    body: Description = [
        ("Taints", taints or NONE),
        ("Unschedulable", str(bool(spec.get("unschedulable"))).lower()),
        ("Addresses", [(each["type"], each["address"]) for each in status.get("addresses") or ()] or NONE),
        ("Capacity", list((status.get("capacity") or {}).items()) or NONE),
        ("Allocatable", list((status.get("allocatable") or {}).items()) or NONE),
    ]
    info = status.get("nodeInfo") or {}
    body.append(("System Info", [(_words(key), str(value)) for key, value in info.items() if value] or NONE))
    body.append(("PodCIDR", str(spec.get("podCIDR") or NONE)))
    return [*body, ("PodCIDRs", ",".join(spec.get("podCIDRs") or ()) or NONE)]


def _config_map(document: Document) -> Description:
    data: Description = []
    for key, value in sorted((document.get("data") or {}).items()):
        data.append((key, value.splitlines() or [""]))
    binary = [
        (key, f"{len(value) * 3 // 4} bytes") for key, value in sorted((document.get("binaryData") or {}).items())
    ]
    return [("Data", data or NONE), ("BinaryData", binary or NONE)]


def _secret(document: Document) -> Description:
    data = document.get("data") or {}
    sizes = [(key, f"{_decoded_size(value)} bytes") for key, value in sorted(data.items())]
    return [("Type", str(document.get("type") or "Opaque")), ("Data", sizes or NONE)]


def _namespace(document: Document) -> Description:
    status = document.get("status") or {}
    told = _conditions(status) if status.get("conditions") else []
    return [("Status", str(status.get("phase") or NONE)), *told]


def _anything(document: Document) -> Description:
    return [
        (_words(key), _value(value)) for key, value in document.items() if key not in ("metadata", "apiVersion", "kind")
    ]


BODIES: Mapping[str, Callable[[Document], Description]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Service": service_descriptions.service,
    "EndpointSlice": service_descriptions.endpoint_slice,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "HorizontalPodAutoscaler": _horizontal_pod_autoscaler,
    "PodDisruptionBudget": _pod_disruption_budget,
    "NetworkPolicy": network_policy_descriptions.network_policy,
    "Node": _node,
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Namespace": _namespace,
    "ResourceQuota": quota_descriptions.resource_quota,
    "LimitRange": quota_descriptions.limit_range,
    "PersistentVolumeClaim": storage_descriptions.claim,
    "PersistentVolume": storage_descriptions.volume,
    "StorageClass": storage_descriptions.storage_class,
    "PriorityClass": scheduling_descriptions.priority_class,
    "Role": access_descriptions.role,
    "ClusterRole": access_descriptions.role,
    "RoleBinding": access_descriptions.binding,
    "ClusterRoleBinding": access_descriptions.binding,
    "ServiceAccount": access_descriptions.service_account,
}


# Parts.


def _pod_spec(
    spec: Document, statuses: Mapping[str, Document] | None = None, pod: Document | None = None
) -> Description:
    known = statuses or {}
    body: Description = security_descriptions.pod(spec)
    for label, key in (("Init Containers", "initContainers"), ("Containers", "containers")):
        if spec.get(key):
            told = [(each["name"], _container(each, known.get(each["name"]), pod or {})) for each in spec[key]]
            body.append((label, told))
    return [*body, ("Volumes", pod_descriptions.volumes(spec))]


def _container(container: Document, status: Document | None, pod: Document) -> Description:
    body: Description = []
    if status:
        body.append(("Container ID", str(status.get("containerID") or NONE)))
    body.append(("Image", str(container.get("image") or NONE)))
    ports = [f"{each['containerPort']}/{each.get('protocol', 'TCP')}" for each in container.get("ports") or ()]
    body += [("Ports", ", ".join(ports))] if ports else []
    host = [
        f"{each['hostPort']}/{each.get('protocol', 'TCP')}"
        for each in container.get("ports") or ()
        if "hostPort" in each
    ]
    body += [("Host Ports", ", ".join(host))] if host else []
    for label, key in (("Command", "command"), ("Args", "args")):
        body += [(label, [_shortened(word) for word in container[key]])] if container.get(key) else []
    body += _state(status) if status else []
    resources = container.get("resources") or {}
    body += [
        (label, list(resources[key].items()))
        for label, key in (("Limits", "limits"), ("Requests", "requests"))
        if resources.get(key)
    ]
    body += security_descriptions.container(container)
    body += probe_descriptions.probes(container)
    body += pod_descriptions.environment(container, pod)
    return [*body, ("Mounts", pod_descriptions.mounts(container))]


def _state(status: Document) -> Description:
    body: Description = []
    for label, key in (("State", "state"), ("Last State", "lastState")):
        for name, details in (status.get(key) or {}).items():
            if details is not None:
                told = [(_words(each), _value(value)) for each, value in details.items() if value not in ("", None)]
                body += [(label, name.capitalize()), *told]
    ready, restarts = str(bool(status.get("ready"))), str(status.get("restartCount", 0))
    return [*body, ("Ready", ready), ("Restart Count", restarts)]


def _placement(spec: Document) -> Description:
    tolerations = [_toleration(each) for each in spec.get("tolerations") or ()]
    return [("Node-Selectors", _pairs(spec.get("nodeSelector") or {}, "=")), ("Tolerations", tolerations or NONE)]


def _toleration(each: Document) -> str:
    key = str(each.get("key") or "")
    value = f"={each['value']}" if each.get("value") else ""
    effect = f":{each['effect']}" if each.get("effect") else ""
    operator = " op=Exists" if each.get("operator") == "Exists" else ""
    seconds = f" for {each['tolerationSeconds']}s" if "tolerationSeconds" in each else ""
    return f"{key}{value}{effect}{operator}{seconds}".strip()


def _taint(each: Document) -> str:
    value = f"={each['value']}" if each.get("value") else ""
    return f"{each['key']}{value}:{each['effect']}"


def _selector(spec: Document) -> str:
    from swarmlet.model import selectors
    from swarmlet.model.meta import LabelSelector

    return selectors.to_text(msgspec.convert(spec.get("selector") or {}, LabelSelector)) or NONE


def _value(value: Any) -> Any:
    """Return any JSON value as a value of a description."""
    if isinstance(value, dict):
        return [(_words(key), _value(item)) for key, item in value.items()] or NONE
    if isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            return [(str(position), _value(item)) for position, item in enumerate(value, 1)] or NONE
        return [_shortened(item) for item in value] or NONE
    return str(value).lower() if isinstance(value, bool) else _shortened(value)


def _words(key: str) -> str:
    """Return a camelCase key as words: "startedAt" is "Started At"."""
    letters = [f" {each}" if each.isupper() and key[at - 1 : at].islower() else each for at, each in enumerate(key)]
    words = "".join(letters)
    return words[:1].upper() + words[1:]


def _shortened(value: Any) -> str:
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 3] + "..."


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def joined(descriptions: Iterable[Sequence[str]]) -> str:
    """Return several descriptions one after another, as kubectl sets them apart."""
    return "\n\n\n".join("\n".join(lines) for lines in descriptions)
