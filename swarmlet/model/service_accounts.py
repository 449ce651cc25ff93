"""core/v1 ServiceAccount, and which one a Pod has. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import always
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import Object
from swarmlet.model.pod import LocalObjectReference, Pod

DEFAULT = "default"
"""The account of each namespace that a Pod has which names none."""
ROOT_CA = "kube-root-ca.crt"
"""The ConfigMap of each namespace with the cluster's certificate authority."""
ROOT_CA_KEY = "ca.crt"
FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where each container finds token, authority and namespace. Source: pkg/serviceaccount DefaultAPITokenMountPath."""

TOKEN_SECRET = "kubernetes.io/service-account-token"  # noqa: S105  a type of Secrets
"""The type of Secrets that hold a token of an account for as long as both are there."""
NAME_ANNOTATION = "kubernetes.io/service-account.name"
UID_ANNOTATION = "kubernetes.io/service-account.uid"
"""Whose token such a Secret holds."""
TOKEN_KEY, NAMESPACE_KEY = "token", "namespace"


class ServiceAccount(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("ServiceAccount")
    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None


def named(pod: Pod) -> Pod:
    """Return a new Pod with the account that it has: `default` where it names none."""
    if pod.spec.service_account_name:
        return pod
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, service_account_name=DEFAULT))


def carried(old: Pod, new: Pod) -> Pod:
    """Return a changed Pod with the account that it was given, where the change says nothing of it."""
    if new.spec.service_account_name:
        return new
    spec = msgspec.structs.replace(new.spec, service_account_name=old.spec.service_account_name)
    return msgspec.structs.replace(new, spec=spec)


def mounts_token(pod: Pod) -> bool:
    """Whether the Pod's containers find a token in `FOLDER`.

    A Pod without an account was made by a version that knew none, and stays as it is.
    """
    return bool(pod.spec.service_account_name) and pod.spec.automount_service_account_token is not False
