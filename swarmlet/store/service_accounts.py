"""What a new Pod gets from its ServiceAccount: its name, what images are fetched with, and whether it has a token.

The token that its containers find is its node's business (docs/decisions/0040).
Source: kubernetes plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from typing import cast

import msgspec

from swarmlet.errors import ForbiddenError
from swarmlet.model import kinds, service_accounts
from swarmlet.model.pod import Pod
from swarmlet.model.service_accounts import ServiceAccount
from swarmlet.store.commands import Key
from swarmlet.store.replica import View


def admitted(view: View, pod: Pod) -> Pod:
    """Return a new Pod with its account; raise `ForbiddenError` for one that is not there.

    The default account of a namespace that was made just now may be missing still: its Pods wait for it on their nodes.
    """
    pod = service_accounts.named(pod)
    name, namespace = pod.spec.service_account_name, pod.metadata.namespace
    stored = view.get(Key(kinds.SERVICE_ACCOUNT.resource, namespace, name))
    if stored is None:
        if name == service_accounts.DEFAULT:
            return pod
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise ForbiddenError(f'pods "{pod.metadata.name or pod.metadata.generate_name}" is forbidden: {why}')
    account, said = cast("ServiceAccount", stored.object), pod.spec.automount_service_account_token
    spec = msgspec.structs.replace(
        pod.spec,
        image_pull_secrets=pod.spec.image_pull_secrets or account.image_pull_secrets,
        automount_service_account_token=account.automount_service_account_token if said is None else said,
    )
    return msgspec.structs.replace(pod, spec=spec)
