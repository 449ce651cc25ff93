"""`swarmlet auth reconcile`: roles allow, and bindings name, at least what files say.

Source: kubernetes/component-helpers/auth/rbac/reconciliation and kubectl/pkg/cmd/auth/reconcile.go.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options
from swarmlet.cli.changes.outcomes import DryRun, Form, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import AlreadyExistsError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Resource

ROLES, BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")
GROUP = "rbac.authorization.k8s.io"
RULE_FIELDS = {
    "verbs": "Verbs",
    "apiGroups": "APIGroups",
    "resources": "Resources",
    "resourceNames": "ResourceNames",
    "nonResourceURLs": "NonResourceURLs",
}
SUBJECT_FIELDS = {"kind": "Kind", "apiGroup": "APIGroup", "name": "Name", "namespace": "Namespace"}
"""Fields of rules and of subjects, and what Go calls them."""
MANAGER = "kubectl-auth"

CREATE, UPDATE, RECREATE = "create", "update", "recreate"

Document = dict[str, Any]
RemoveRules = Annotated[
    bool, typer.Option("--remove-extra-permissions", help="Roles allow no more than the files say.")
]
RemoveSubjects = Annotated[bool, typer.Option("--remove-extra-subjects", help="Bindings name nobody else.")]


@dataclass(slots=True)
class Reconciled:
    """An object as it is to be; of rules or subjects, what was `missing`, and what is there `extra`."""

    document: Document
    missing: list[Document] = field(default_factory=list)
    extra: list[Document] = field(default_factory=list)
    operation: str = ""
    """CREATE, UPDATE, RECREATE where a change is refused, or "" where nothing is to be done."""


@connected
async def reconcile(
    session: Session,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    remove_extra_permissions: RemoveRules = False,
    remove_extra_subjects: RemoveSubjects = False,
    dry_run: DryRun = "none",
    output: Form = "",
) -> None:
    """Let roles allow, and bindings name, at least what files say; what is not there is created.

    `auth reconcile -f roles.yaml`, `auth reconcile -f roles.yaml --remove-extra-permissions --dry-run=client`
    """
    from swarmlet.cli import files, selection
    from swarmlet.manifests import documents

    outcome = Outcome(dry_run, output, MANAGER)
    outcome.check()
    manifests = files.manifests(filename, recursive=recursive)
    catalogue = await session.catalogue()
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    for manifest in manifests:
        resource = catalogue.of_kind(manifest.api_version, manifest.kind)
        if resource is None or resource.group != GROUP:
            continue
        space = (manifest.namespace or session.namespace) if resource.namespaced else ""
        wanted = _placed(manifest.document, space)
        there = await session.api.find(resource, manifest.name, namespace=space)
        remove = remove_extra_permissions if resource.kind in ROLES else remove_extra_subjects
        done = _of_role(there, wanted, remove=remove) if resource.kind in ROLES else _of(there, wanted, remove=remove)
        after = await _sent(session, resource, there, done, outcome) if outcome.is_sent else done.document
        outcome.tell(selection.Reference(resource, manifest.name), "reconciled", after)
        _tell(resource.kind, done, remove=remove)


def _placed(document: Document, namespace: str) -> Document:
    """Return an object in its namespace, its subjects and role of the API group that is meant where none is named."""
    placed = {**document, "metadata": {**document["metadata"], **({"namespace": namespace} if namespace else {})}}
    if document["kind"] in BINDINGS:
        placed["roleRef"] = {"apiGroup": GROUP, **(document.get("roleRef") or {})}
        placed["subjects"] = [
            each if each.get("kind") == "ServiceAccount" else {"apiGroup": GROUP, **each}
            for each in document.get("subjects") or ()
        ]
    return placed


def _of_role(there: Document | None, wanted: Document, *, remove: bool) -> Reconciled:
    """Return a role that allows what is wanted, or no more than that where the rest is to be removed."""
    rules = wanted.get("rules") or []
    if there is None:
        return Reconciled(wanted, rules, operation=CREATE)
    held = there.get("rules") or []
    missing, extra = _uncovered(held, rules), _uncovered(rules, held)
    document = _with_labels(there, wanted)
    if remove and (missing or extra):
        document["rules"] = rules
    elif missing:
        document["rules"] = [*held, *missing]
    known = (there.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    asked = (wanted.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    selectors = asked if remove else [*known, *(each for each in asked if each not in known)]
    if selectors != known:
        document["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return Reconciled(document, missing, extra, UPDATE if document != there else "")


def _of(there: Document | None, wanted: Document, *, remove: bool) -> Reconciled:
    """Return a binding that names the subjects that are wanted, and nobody else where the rest is to be removed."""
    subjects = wanted["subjects"]
    if there is None:
        return Reconciled(wanted, subjects, operation=CREATE)
    if there["roleRef"] != wanted["roleRef"]:
        return Reconciled(wanted, operation=RECREATE)
    known = there.get("subjects") or []
    missing = [each for each in subjects if each not in known]
    extra = [each for each in known if each not in subjects]
    document = _with_labels(there, wanted)
    if missing or (remove and extra):
        document["subjects"] = subjects if remove else [*known, *missing]
    return Reconciled(document, missing, extra, UPDATE if document != there else "")


def _with_labels(there: Document, wanted: Document) -> Document:
    """Return the object that is there with labels and annotations that are wanted and that it has not."""
    metadata = dict(there["metadata"])
    for key in ("labels", "annotations"):
        if found := {**(wanted["metadata"].get(key) or {}), **(metadata.get(key) or {})}:
            metadata[key] = found
    return {**there, "metadata": metadata}


def _uncovered(held: Sequence[Document], wanted: Sequence[Document]) -> list[Document]:
    """Return what rules allow and others do not, one group, resource, verb and name at a time."""
    import msgspec

    from swarmlet.api.access import authorization
    from swarmlet.model.rbac import PolicyRule

    rules = [authorization.rule(each) for each in msgspec.convert(held, list[PolicyRule])]
    parts = [part for each in wanted for part in _parts(each)]
    return [each for each in parts if not authorization.covers(rules, msgspec.convert(each, PolicyRule))]


def _parts(rule: Document) -> Iterator[Document]:
    verbs = rule.get("verbs") or ()
    for group, resource, verb, name in itertools.product(
        rule.get("apiGroups") or (), rule.get("resources") or (), verbs, rule.get("resourceNames") or ("",)
    ):
        named = {"resourceNames": [name]} if name else {}
        yield {"verbs": [verb], "apiGroups": [group], "resources": [resource], **named}
    for path, verb in itertools.product(rule.get("nonResourceURLs") or (), verbs):
        yield {"verbs": [verb], "nonResourceURLs": [path]}


async def _sent(
    session: Session, resource: Resource, there: Document | None, done: Reconciled, outcome: Outcome
) -> Document:
    """Write what is not there yet, or is otherwise, and return it."""
    document, space = done.document, done.document["metadata"].get("namespace") or ""
    sending = outcome.write_options()
    if not done.operation:
        return document
    if done.operation == UPDATE:
        return await session.api.update(resource, document, namespace=space, options=sending)
    if there is not None:
        trying = {"dryRun": ["All"]} if outcome.dry_run == "server" else {}
        body = {"kind": "DeleteOptions", "preconditions": {"uid": there["metadata"]["uid"]}, **trying}
        await session.api.delete(resource, there["metadata"]["name"], namespace=space, options=body)
        if trying:  # it is there still, and cannot be created
            return document
    if space and outcome.dry_run == "none":
        await _make_namespace(session, space)
    return await session.api.create(resource, document, namespace=space, options=sending)


async def _make_namespace(session: Session, name: str) -> None:
    namespaces = (await session.catalogue()).find("namespaces")
    if await session.api.find(namespaces, name) is None:
        try:
            await session.api.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except AlreadyExistsError:  # somebody was quicker
            return


def _tell(kind: str, done: Reconciled, *, remove: bool) -> None:
    """Say what was missing, and what was removed, in kubectl's words."""
    if done.operation:
        exits.say(f"\treconciliation required {done.operation}")
    what, fields = ("rules", RULE_FIELDS) if kind in ROLES else ("subjects", SUBJECT_FIELDS)
    parts = (("missing", "added", done.missing), ("extra", "removed", done.extra if remove else []))
    for which, how, found in parts:
        if found:
            exits.say(f"\t{which} {what} {how}:")
        for each in found:
            exits.say(f"\t\t{_structure(each, fields)}")


def _structure(value: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """Return a value as Go prints a structure."""
    parts = []
    for name, told in fields.items():
        held = value.get(name) or ([] if fields is RULE_FIELDS else "")
        shown = f"[{' '.join(held)}]" if isinstance(held, list) else held
        parts.append(f"{told}:{shown}")
    return "{" + " ".join(parts) + "}"
