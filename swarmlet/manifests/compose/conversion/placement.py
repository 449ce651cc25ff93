"""On which machines a service's Pods may go, and how they spread: `deploy.placement` and `platform`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, without_empty
from swarmlet.manifests.compose.model.deploy import Deploy, Placement
from swarmlet.model import syntax

HOSTNAME = "kubernetes.io/hostname"
OS = "kubernetes.io/os"
ARCHITECTURE = "kubernetes.io/arch"
NODE_ID = "swarmlet.io/node-id"
ATTRIBUTES: Mapping[str, str] = {
    "node.id": NODE_ID,
    "node.hostname": HOSTNAME,
    "node.platform.os": OS,
    "node.platform.arch": ARCHITECTURE,
}
"""What Swarm calls an attribute of a node, and the label that it is here."""
LABELS = "node.labels."
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

_CONSTRAINT = re.compile(r"\s*([A-Za-z0-9._/-]+)\s*(==|!=)\s*(.*?)\s*")


def placement(it: ServiceDraft) -> Document:
    """Return the fields of the Pod's spec that say where it may go."""
    asked = (it.service.deploy or Deploy()).placement or Placement()
    spec: Document = {}
    if expressions := [found for each in asked.constraints if (found := _expression(it, each))]:
        required = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    spread = [found for each in asked.preferences if (found := _spread(it, each.spread))]
    spec |= _per_node(it, asked.max_replicas_per_node, spec.get("affinity", {}), spread)
    distinct = list({each["topologyKey"]: each for each in spread}.values())
    return without_empty({**spec, "topologySpreadConstraints": distinct, "nodeSelector": _platform(it)})


def _expression(it: ServiceDraft, text: str) -> Document | None:
    where = "deploy.placement.constraints"
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise it.refusal(where, f"{text!r} is not NAME==VALUE or NAME!=VALUE")
    name, operator, value = match.groups()
    if name == "node.role":
        it.warn(where, f"{text!r} ignored: there are no managers and workers here, each machine is like the others")
        return None
    label = name.removeprefix(LABELS) if name.startswith(LABELS) else ATTRIBUTES.get(name)
    if label is None:
        raise it.refusal(where, f"{text!r}: {name} is not known of a node here; label the nodes and ask for the label")
    if wrong := (syntax.label_key(label) or syntax.label_value(value)):
        raise it.refusal(where, f"{text!r}: {wrong[0]}")
    if label == ARCHITECTURE:
        value = ARCHITECTURES.get(value, value)
    return {"key": label, "operator": "In" if operator == "==" else "NotIn", "values": [value]}


def _spread(it: ServiceDraft, text: str) -> Document | None:
    label = text.removeprefix(LABELS) if text.startswith(LABELS) else ATTRIBUTES.get(text)
    if label is None or syntax.label_key(label):
        it.warn("deploy.placement.preferences", f"{text!r} ignored: Pods are spread over a label of the nodes")
        return None
    return _constraint(it, label)


def _constraint(it: ServiceDraft, label: str) -> Document:
    return {
        "maxSkew": 1,
        "topologyKey": label,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": it.draft.selector(it.key)},
    }


def _per_node(it: ServiceDraft, most: int | None, affinity: Document, spread: list[Document]) -> Document:
    """One on each node is a rule of Kubernetes; more than one is not, and they are spread as evenly as can be."""
    if not most:
        return {}
    if most > 1:
        it.warn(
            "deploy.placement.max_replicas_per_node",
            f"{most} is not enforced: only 1 can be; the Pods are spread evenly over the machines where possible",
        )
        spread.append(_constraint(it, HOSTNAME))
        return {}
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": it.draft.selector(it.key)}}
    return {"affinity": {**affinity, "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def _platform(it: ServiceDraft) -> dict[str, str]:
    """Read "linux/amd64" or "linux/arm/v7": the variant of an architecture is not known of nodes."""
    if not it.service.platform:
        return {}
    system, _, rest = it.service.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    if variant:
        it.warn("platform", f"the variant {variant!r} is ignored: nodes only tell their architecture")
    return without_empty({OS: system, ARCHITECTURE: ARCHITECTURES.get(architecture, architecture)})
