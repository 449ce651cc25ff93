"""`swarmlet create role`, `clusterrole`, their bindings, `serviceaccount` and `token`: who may do what.

Source: kubernetes/kubectl/pkg/cmd/create (create_role.go, create_clusterrole.go, create_rolebinding.go,
create_token.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, parsing, spans
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.creating import making
from swarmlet.cli.creating.making import MANAGER, Name
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue

GROUP = "rbac.authorization.k8s.io"
EVERY = "*"
BINDABLE = {"Pod": "v1", "Secret": "v1", "Node": "v1"}
"""What a token may be bound to, and of which version that is."""

Document = dict[str, Any]
Verbs = Annotated[list[str] | None, typer.Option("--verb", help="What may be done: get,list,watch.")]
Resources = Annotated[
    list[str] | None, typer.Option("--resource", help="With what: pods, deployments.apps, pods/log; may be repeated.")
]
ResourceNames = Annotated[
    list[str] | None, typer.Option("--resource-name", help="With this object alone; may be repeated.")
]
Users = Annotated[list[str] | None, typer.Option("--user", help="A user; may be repeated.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group; may be repeated.")]
Accounts = Annotated[
    list[str] | None, typer.Option("--serviceaccount", help="A ServiceAccount, NAMESPACE:NAME; may be repeated.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `create`."""
    app.command("role", cls=parsing.Command)(role)
    app.command("clusterrole", cls=parsing.Command)(cluster_role)
    app.command("rolebinding", cls=parsing.Command)(role_binding)
    app.command("clusterrolebinding", cls=parsing.Command)(cluster_role_binding)
    app.command("serviceaccount", cls=parsing.Command)(service_account)
    app.command("sa", cls=parsing.Command, hidden=True)(service_account)
    app.command("token", cls=parsing.Command)(token)


@dataclass(frozen=True, slots=True)
class Rights:
    """What --verb, --resource and --resource-name say, each as it was given."""

    verbs: Sequence[str]
    resources: Sequence[str]
    names: Sequence[str]

    def rules(self, catalogue: Catalogue) -> list[Document]:
        """Return the rules, one a group; raise `UsageError` where they grant nothing."""
        verbs = split(self.verbs)
        if not verbs:
            raise exits.UsageError("at least one verb must be specified, as in --verb=get,list")
        by_group: dict[str, list[str]] = {}
        for word in split(self.resources):
            group, plural = self._placed(word, catalogue)
            by_group.setdefault(group, []).append(plural)
        if not by_group:
            raise exits.UsageError("at least one resource must be specified, as in --resource=pods")
        names = {"resourceNames": split(self.names)} if self.names else {}
        return [
            {"verbs": [EVERY] if EVERY in verbs else verbs, "apiGroups": [group], "resources": plurals, **names}
            for group, plurals in by_group.items()
        ]

    def _placed(self, word: str, catalogue: Catalogue) -> tuple[str, str]:
        """Return the group and the plural, with its subresource, that "pods/log" or "deploy.apps" stands for."""
        if word == EVERY:
            return EVERY, EVERY
        name, slash, part = word.partition("/")
        found = catalogue.find(name)
        return found.group, f"{found.plural}{slash}{part}"


def split(texts: Iterable[str]) -> list[str]:
    """Return the words of options that take lists and may be repeated, each once."""
    return list(dict.fromkeys(word for text in texts for word in text.split(",") if word))


@connected
async def role(
    session: Session,
    name: Name,
    verb: Verbs = None,
    resource: Resources = None,
    resource_name: ResourceNames = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Role.

    `create role reader --verb=get,list,watch --resource=pods,pods/log`
    """
    rights = Rights(verb or (), resource or (), resource_name or ())
    made = _rbac("Role", name) | {"rules": rights.rules(await session.catalogue())}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def cluster_role(
    session: Session,
    name: Name,
    verb: Verbs = None,
    resource: Resources = None,
    resource_name: ResourceNames = None,
    non_resource_url: Annotated[
        list[str] | None, typer.Option("--non-resource-url", help="A path that is no object's; may be repeated.")
    ] = None,
    aggregation_rule: Annotated[
        str, typer.Option("--aggregation-rule", help="All ClusterRoles with these labels together: a=b,c=d.")
    ] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a ClusterRole.

    `create clusterrole reader --verb=get,list,watch --resource=nodes`
    """
    made = _rbac("ClusterRole", name)
    if aggregation_rule:
        if verb or resource or resource_name or non_resource_url:
            raise exits.UsageError("--aggregation-rule excludes --verb, --resource and --non-resource-url")
        labels = making.pairs(aggregation_rule, "--aggregation-rule")
        made |= {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": labels}]}}
    else:
        rights = Rights(verb or (), resource or (), resource_name or ())
        rules = rights.rules(await session.catalogue()) if resource or not non_resource_url else []
        if non_resource_url:
            rules.append({"verbs": split(verb or ()), "nonResourceURLs": split(non_resource_url)})
        made |= {"rules": rules}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def role_binding(
    session: Session,
    name: Name,
    clusterrole: Annotated[str, typer.Option("--clusterrole", help="The ClusterRole that is given.")] = "",
    role: Annotated[str, typer.Option("--role", help="The Role that is given.")] = "",
    user: Users = None,
    group: Groups = None,
    serviceaccount: Accounts = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a RoleBinding.

    `create rolebinding readers --role=reader --user=ann --serviceaccount=shop:web`
    """
    if bool(clusterrole) == bool(role):
        raise exits.UsageError("exactly one of --clusterrole and --role must be specified")
    given = ("ClusterRole", clusterrole) if clusterrole else ("Role", role)
    made = _binding("RoleBinding", name, given, subjects(user or (), group or (), serviceaccount or ()))
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def cluster_role_binding(
    session: Session,
    name: Name,
    clusterrole: Annotated[str, typer.Option("--clusterrole", help="The ClusterRole that is given.")],
    user: Users = None,
    group: Groups = None,
    serviceaccount: Accounts = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a ClusterRoleBinding.

    `create clusterrolebinding viewers --clusterrole=view --group=support`
    """
    given = ("ClusterRole", clusterrole)
    made = _binding("ClusterRoleBinding", name, given, subjects(user or (), group or (), serviceaccount or ()))
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def service_account(
    session: Session, name: Name, dry_run: DryRun = "none", output: Form = "", field_manager: Manager = MANAGER
) -> None:
    """Create a ServiceAccount."""
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def token(
    session: Session,
    name: Name,
    audience: Annotated[list[str] | None, typer.Option("--audience", help="For whom; may be repeated.")] = None,
    duration: Annotated[str, typer.Option("--duration", help="How long it is good, as in 10m.")] = "",
    bound_object_kind: Annotated[str, typer.Option("--bound-object-kind", help="Pod, Secret or Node.")] = "",
    bound_object_name: Annotated[str, typer.Option("--bound-object-name", help="It ends with this one.")] = "",
    bound_object_uid: Annotated[str, typer.Option("--bound-object-uid", help="Of which uid that is.")] = "",
    output: Form = "",
) -> None:
    """Make a token of a ServiceAccount and print it.

    `create token web`, `create token web --duration=10m`
    """
    documents.check_form(output, ("", *documents.WHOLE, "name", *(f"{each}=..." for each in documents.TEMPLATES)))
    if bool(bound_object_kind) != bool(bound_object_name) or (bound_object_uid and not bound_object_name):
        raise exits.UsageError("--bound-object-kind and --bound-object-name go together")
    if bound_object_kind and bound_object_kind not in BINDABLE:
        raise exits.UsageError(f"--bound-object-kind={bound_object_kind}: unknown; allowed: {', '.join(BINDABLE)}")
    spec: Document = {"audiences": audience} if audience else {}
    if duration and (seconds := int(spans.seconds(duration, "--duration"))):
        spec["expirationSeconds"] = seconds
    if bound_object_name:
        bound = {"kind": bound_object_kind, "apiVersion": BINDABLE[bound_object_kind], "name": bound_object_name}
        spec["boundObjectRef"] = bound | ({"uid": bound_object_uid} if bound_object_uid else {})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    await _print_token(session, name, asked, output)


async def _print_token(session: Session, name: str, asked: Document, output: str) -> None:
    from swarmlet.client.connection import Request

    accounts = (await session.catalogue()).find("serviceaccounts")
    path = accounts.path(namespace=session.namespace, name=name, subresource="token")
    answer = await session.api.connection.json(Request(method="POST", path=path, body=asked))
    if output == "name":
        print(f"tokenrequest.authentication.k8s.io/{name}")
    elif output:
        documents.show(output, answer)
    else:
        print(answer["status"]["token"])


def subjects(users: Sequence[str], groups: Sequence[str], accounts: Sequence[str]) -> list[Document]:
    """Return the subjects of a binding; raise `UsageError` for a ServiceAccount that is not NAMESPACE:NAME."""
    found: list[Document] = [
        {"kind": kind, "apiGroup": GROUP, "name": name}
        for kind, names in (("User", users), ("Group", groups))
        for name in names
    ]
    for each in accounts:
        namespace, _, name = each.partition(":")
        if not namespace or not name or ":" in name:
            raise exits.UsageError(f"--serviceaccount: found {each}; allowed: NAMESPACE:NAME")
        found.append({"kind": "ServiceAccount", "namespace": namespace, "name": name})
    return found


def _rbac(kind: str, name: str) -> Document:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}}


def _binding(kind: str, name: str, given: tuple[str, str], who: list[Document]) -> Document:
    role_kind, role_name = given
    made = _rbac(kind, name) | {"roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role_name}}
    return made | ({"subjects": who} if who else {})
