"""`apply --prune`: what was applied once and has left the files goes.

Source: kubernetes/kubectl/pkg/cmd/apply/prune.go and pkg/util/prune.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlet.cli import exits
from swarmlet.errors import NotFoundError
from swarmlet.manifests import last_applied

if TYPE_CHECKING:
    from swarmlet.cli.applying.objects import Applied
    from swarmlet.cli.changes.outcomes import Outcome
    from swarmlet.cli.session import Session
    from swarmlet.client.client import Document
    from swarmlet.client.discovery import Catalogue, Resource

Prune = Annotated[
    bool, typer.Option("--prune", help="Delete what was applied before and is in no file: with -l, or with --all.")
]
All = Annotated[bool, typer.Option("--all", help="With --prune: whatever its labels are.")]
Allowlist = Annotated[
    list[str] | None,
    typer.Option(
        "--prune-allowlist", help="With --prune: only GROUP/VERSION/KIND, core/v1/ConfigMap; may be repeated."
    ),
]

CORE = "core"
NAMESPACED = (
    *(f"core/v1/{kind}" for kind in ("ConfigMap", "Endpoints", "PersistentVolumeClaim", "Pod")),
    *(f"core/v1/{kind}" for kind in ("ReplicationController", "Secret", "Service")),
    *("batch/v1/Job", "batch/v1/CronJob", "networking.k8s.io/v1/Ingress"),
    *(f"apps/v1/{kind}" for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
)
CLUSTER_WIDE = ("core/v1/Namespace", "core/v1/PersistentVolume")
"""Pruned by default, but not where -n names a namespace."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What may be pruned: `kinds` as `GROUP/VERSION/KIND`, none for kubectl's own choice; `labels` "" for all."""

    labels: str
    kinds: Sequence[str] = ()

    @classmethod
    def of(cls, *, prune: bool, every: bool, labels: str, kinds: Sequence[str]) -> Pruning | None:
        """Return what the flags ask for, None where they ask for nothing; raise `UsageError` for what is no choice."""
        if every and labels:
            raise exits.UsageError("cannot set --all and --selector at the same time")
        if not prune:
            if kinds or every:
                raise exits.UsageError("--all and --prune-allowlist go with --prune")
            return None
        if not every and not labels:
            raise exits.UsageError(
                "all resources selected for prune without explicitly passing --all. To prune all resources, pass the "
                "--all flag. If you did not mean to prune all resources, specify a label selector"
            )
        return cls(labels, kinds)

    def resources(self, session: Session, catalogue: Catalogue) -> list[Resource]:
        """Return the kinds, those in namespaces first; of the default ones, those that the server has."""
        if not self.kinds:
            names = NAMESPACED if session.namespace_said else (*NAMESPACED, *CLUSTER_WIDE)
            return [found for each in names if (found := _resource(catalogue, each))]
        chosen = []
        for each in self.kinds:
            found = _resource(catalogue, each)
            if found is None:
                raise exits.UsageError(
                    f"--prune-allowlist={each}: the server has no such kind; written as GROUP/VERSION/KIND, core/v1/Pod"
                )
            chosen.append(found)
        return sorted(chosen, key=lambda each: not each.namespaced)


def _resource(catalogue: Catalogue, name: str) -> Resource | None:
    group, _, kind = name.rpartition("/")
    return catalogue.of_kind(group.removeprefix(f"{CORE}/"), kind)


async def prune(
    session: Session,
    pruning: Pruning,
    applied: Sequence[Applied],
    options: Document,
    outcome: Outcome,
) -> None:
    """Delete, with the DeleteOptions, what was applied before and is not among `applied`; tell each."""
    from swarmlet.client.client import Scope

    catalogue = await session.catalogue()
    kept = {each.document["metadata"].get("uid") for each in applied}
    namespaces = sorted({each.namespace for each in applied if each.namespace})
    for resource in pruning.resources(session, catalogue):
        for namespace in namespaces if resource.namespaced else ("",):
            scope = Scope(namespace=namespace, labels=pruning.labels)
            for item in (await session.api.list(resource, scope)).get("items") or ():
                metadata = item["metadata"]
                if last_applied.ANNOTATION in (metadata.get("annotations") or {}) and metadata["uid"] not in kept:
                    await _delete(session, resource, item, options, outcome)


async def _delete(session: Session, resource: Resource, item: Document, options: Document, outcome: Outcome) -> None:
    """Delete an object unless another has taken its name meanwhile; that it is gone already is as good."""
    from swarmlet.cli.selection import Reference

    metadata = item["metadata"]
    if outcome.is_sent:
        trying = {"dryRun": ["All"]} if outcome.dry_run == "server" else {}
        body = {"kind": "DeleteOptions", "preconditions": {"uid": metadata["uid"]}, **options, **trying}
        try:
            await session.api.delete(
                resource, metadata["name"], namespace=metadata.get("namespace") or "", options=body
            )
        except NotFoundError:
            return
    header = {"apiVersion": resource.api_version, "kind": resource.kind}
    outcome.tell(Reference(resource, metadata["name"]), "pruned", {**header, **item})
