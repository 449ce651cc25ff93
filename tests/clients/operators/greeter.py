"""An operator of the usual shape, for kopf: a Greeting becomes a ConfigMap, which goes with it.

`kopf run` starts it. It waits for the annotation `example.com/let-go` before it lets a Greeting go.
"""

from __future__ import annotations

from typing import Any

import kopf
import kubernetes

GROUP, VERSION, PLURAL = "example.com", "v1", "greetings"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.peering.name = "greeters"
    settings.peering.mandatory = True
    settings.persistence.finalizer = "example.com/greeter"
    kubernetes.config.load_kube_config()


def config_map(name: str, text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}}


@kopf.on.create(GROUP, VERSION, PLURAL)
def made(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, **_: Any) -> dict[str, str]:
    document = config_map(name, spec["text"])
    kopf.adopt(document)
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, document)
    kopf.info(body, reason="Greeted", message=f"made {name}")
    return {"configMap": name}


@kopf.on.field(GROUP, VERSION, PLURAL, field="spec.text")
def changed(old: str | None, new: str, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    if old is not None:
        kubernetes.client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"text": new}})
        patch.status["said"] = new


@kopf.timer(GROUP, VERSION, PLURAL, interval=0.5)
def counted(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.on.delete(GROUP, VERSION, PLURAL)
def gone(annotations: kopf.Annotations, **_: Any) -> None:
    if "example.com/let-go" not in annotations:
        raise kopf.TemporaryError("not yet", delay=0.3)
