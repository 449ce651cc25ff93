"""`/scale` of custom resources: the numbers of replicas are where the kind's definition says. Pure.

Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource (etcd.go, scaleFromCustomResource).
"""

from __future__ import annotations

from typing import Any

from swarmlet.errors import InvalidError
from swarmlet.model import json_path
from swarmlet.model.apiextensions import CustomResourceSubresourceScale
from swarmlet.model.apps import Scale, ScaleSpec, ScaleStatus
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.meta import ObjectMeta


def read(kind: CustomKind, value: CustomResource) -> Scale:
    """Return the Scale of an object; raise `InvalidError` where it does not say how many replicas it asks for."""
    scale = _paths(kind)
    replicas = _number(scale.spec_replicas_path, value)
    if replicas is None:
        message = f'the spec replicas field "{scale.spec_replicas_path}" does not exist'
        raise InvalidError(f"Internal error occurred: {message}", ((scale.spec_replicas_path.lstrip("."), message),))
    selector = json_path.parse(scale.label_selector_path).find(value.content) if scale.label_selector_path else []
    metadata = value.metadata
    return Scale(
        metadata=ObjectMeta(
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
            creation_timestamp=metadata.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=replicas),
        status=ScaleStatus(
            replicas=_number(scale.status_replicas_path, value) or 0,
            selector=selector[0] if selector and isinstance(selector[0], str) else "",
        ),
    )


def written(kind: CustomKind, value: CustomResource, replicas: int) -> dict[str, Any]:
    """Return an object's content with another number of replicas."""
    return _placed(value.content, json_path.parse(_paths(kind).spec_replicas_path).names or (), replicas)


def _paths(kind: CustomKind) -> CustomResourceSubresourceScale:
    assert kind.scale is not None, "only a kind that has /scale is asked for it"
    return kind.scale


def _number(path: str, value: CustomResource) -> int | None:
    found = json_path.parse(path).find(value.content)
    return found[0] if found and isinstance(found[0], int) else None


def _placed(content: Any, names: tuple[str, ...], replicas: int) -> dict[str, Any]:
    inner = content if isinstance(content, dict) else {}
    name, *rest = names
    return {**inner, name: _placed(inner.get(name), tuple(rest), replicas) if rest else replicas}
