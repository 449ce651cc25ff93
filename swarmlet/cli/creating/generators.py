"""The documents that `swarmlet create` makes: kubectl's, field by field. Pure.

Source: kubernetes/kubectl/pkg/cmd/create.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from swarmlet.cli.exits import UsageError

Document = dict[str, Any]
DOCKER_HUB = "https://index.docker.io/v1/"


def namespace(name: str) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, content: Mapping[str, bytes]) -> Document:
    """Return a ConfigMap: what is text as data, the rest as binaryData."""
    texts, binaries = {}, {}
    for key, value in content.items():
        try:
            texts[key] = value.decode()
        except UnicodeDecodeError:
            binaries[key] = _encoded(value)
    document: Document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return document | ({"data": texts} if texts else {}) | ({"binaryData": binaries} if binaries else {})


def secret(name: str, content: Mapping[str, bytes], type_: str = "") -> Document:
    document: Document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    data = {key: _encoded(value) for key, value in content.items()}
    return document | ({"data": data} if data else {}) | ({"type": type_} if type_ else {})


def docker_config(server: str, user: str, password: str, email: str) -> bytes:
    """Return what a Secret of a registry's credentials holds."""
    entry = {"username": user, "password": password} | ({"email": email} if email else {})
    entry["auth"] = _encoded(f"{user}:{password}".encode())
    return json.dumps({"auths": {server: entry}}, separators=(",", ":")).encode()


def deployment(
    name: str, images: Sequence[str], *, replicas: int, port: int | None, command: Sequence[str]
) -> Document:
    """Return a Deployment of one container an image, named as the image is."""
    if len(images) > 1 and command:
        raise UsageError("cannot specify multiple --image options and command")
    containers = [_container(each, container_name(each), command) for each in images]
    if port is not None:
        containers[0]["ports"] = [{"containerPort": port}]
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def job(name: str, image: str, command: Sequence[str]) -> Document:
    spec = {"template": _never_restarted(name, image, command)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def job_of(name: str, cron_job: Document) -> Document:
    """Return the Job that a CronJob would start, started by hand."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    annotations = {"cronjob.kubernetes.io/instantiate": "manual", **(metadata.get("annotations") or {})}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cron_job["metadata"]["name"],
        "uid": cron_job["metadata"]["uid"],
        "controller": True,
    }
    made: Document = {"name": name, "annotations": annotations, "ownerReferences": [owner]}
    if metadata.get("labels"):
        made["labels"] = metadata["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": template["spec"]}


def cron_job(name: str, image: str, schedule: str, restart: str, command: Sequence[str]) -> Document:
    pod = {"spec": {"containers": [_container(image, name, command)], "restartPolicy": restart}}
    spec = {"schedule": schedule, "jobTemplate": {"metadata": {"name": name}, "spec": {"template": pod}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}


def container_name(image: str) -> str:
    """Return the last part of an image's name, without tag and digest."""
    return image.rpartition("/")[2].partition(":")[0].partition("@")[0]


def _never_restarted(name: str, image: str, command: Sequence[str]) -> Document:
    return {"spec": {"containers": [_container(image, name, command)], "restartPolicy": "Never"}}


def _container(image: str, name: str, command: Sequence[str]) -> Document:
    return {"name": name, "image": image} | ({"command": list(command)} if command else {})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
