"""`swarmlet auth`: who one is to the server, and what one may do.

Source: kubernetes/kubectl/pkg/cmd/auth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing, tables
from swarmlet.cli.access.reconcile import reconcile
from swarmlet.cli.session import Session, connected

AUTHORIZATION = "authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
HEADER = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
EVERY = "*"
VERBS = (
    *("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"),
    *("use", "bind", "escalate", "impersonate", "approve", "sign", EVERY),
)
"""Those that mean something: another may be asked for, and is warned of."""

Document = Mapping[str, Any]


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="auth", help="Who you are, and what you may do.", no_args_is_help=True)
    group.command("can-i", cls=parsing.Command)(can_i)
    group.command("whoami", cls=parsing.Command)(whoami)
    group.command("reconcile", cls=parsing.Command)(reconcile)
    app.add_typer(group)


@connected
async def can_i(
    session: Session,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="VERB [TYPE|TYPE/NAME|/PATH]", help="As in `delete pods`.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="All that you may.")] = False,
    all_namespaces: options.AllNamespaces = False,
    subresource: Annotated[str, typer.Option("--subresource", help="A part of it: log, scale.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the exit code says it.")] = False,
    no_headers: options.NoHeaders = False,
) -> None:
    """Tell whether you may do something: exit 0 for yes, 1 for no.

    `auth can-i delete pods -n shop`, `auth can-i get pods/web-1 --subresource=log`, `auth can-i --list`
    """
    namespace = "" if all_namespaces else session.namespace
    words = list(what or ())
    if list_:
        if words:
            raise exits.UsageError("--list takes no verb and no type")
        await _print_all(session, namespace, headers=not no_headers)
        return
    if not 1 <= len(words) <= 3:
        raise exits.UsageError("say what you want to do, as in `delete pods` or `get /metrics`")
    asked = await _attributes(session, words, namespace, subresource)
    status = (await _review(session, f"{AUTHORIZATION}/v1", "SelfSubjectAccessReview", asked))["status"]
    if not quiet:
        why = "".join(f" - {status[key]}" for key in ("reason", "evaluationError") if status.get(key))
        print("yes" if status.get("allowed") else f"no{why}")
    if not status.get("allowed"):
        raise typer.Exit(exits.FAILED)


async def _attributes(session: Session, words: list[str], namespace: str, subresource: str) -> Document:
    """Return the spec of the review for VERB, VERB TYPE, VERB TYPE NAME, VERB TYPE/NAME or VERB /PATH."""
    from swarmlet.client.discovery import UnknownTypeError

    verb, what, name = (*words, "", "")[:3]
    if what.startswith("/"):
        return {"nonResourceAttributes": {"verb": verb, "path": what}}
    if verb not in VERBS:
        exits.say(f"Warning: verb '{verb}' is not a known verb\n")
    plural, slash, named = what.partition("/")
    name = named if slash else name
    if not plural:
        raise exits.UsageError(f"say what to {verb}, as in `{verb} pods`")
    try:
        found = (await session.catalogue()).find(plural) if plural != EVERY else None
        group, plural, namespaced = (found.group, found.plural, found.namespaced) if found else (EVERY, EVERY, True)
    except UnknownTypeError as error:
        exits.say(f"Warning: {error}\n")
        group, namespaced = plural.partition(".")[2], True
    if not namespaced and namespace and found:
        exits.say(f"Warning: resource '{plural}' is not namespace scoped" + (f" in group '{group}'" if group else ""))
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": plural.partition(".")[0],
        "subresource": subresource,
        "name": name,
    }
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


async def _review(session: Session, api_version: str, kind: str, spec: Document) -> dict[str, Any]:
    from swarmlet.client.connection import Request

    body = {"apiVersion": api_version, "kind": kind} | ({"spec": spec} if spec else {})
    path = f"/apis/{api_version}/{kind.lower()}s"
    return await session.api.connection.json(Request(method="POST", path=path, body=body))


async def _print_all(session: Session, namespace: str, *, headers: bool) -> None:
    spec = {"namespace": namespace or "default"}
    status = (await _review(session, f"{AUTHORIZATION}/v1", "SelfSubjectRulesReview", spec))["status"]
    if status.get("incomplete"):
        exits.say(f"Warning: the list may be incomplete: {status.get('evaluationError', '')}")
    rows = [_row(each) for each in sorted(_rules(status), key=_order)]
    for line in tables.Columns().lines(HEADER, rows, headers=headers):
        print(line)


def _rules(status: Document) -> Iterator[dict[str, list[str]]]:
    """Yield the rules, one of each resource and one of each path and verb; verbs of the same resource together."""
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                known = verbs.setdefault((group, resource, tuple(rule.get("resourceNames") or ())), [])
                known += [verb for verb in rule["verbs"] if verb not in known]
    for (group, resource, names), those in verbs.items():
        yield {"verbs": those, "groups": [group], "resources": [resource], "names": list(names), "urls": []}
    for rule in status.get("nonResourceRules") or ():
        for url in rule.get("nonResourceURLs") or ():
            for verb in rule["verbs"]:
                yield {"verbs": [verb], "groups": [], "resources": [], "names": [], "urls": [url]}


def _order(rule: Mapping[str, list[str]]) -> list[str]:
    return [_bracketed(rule[key]) for key in ("verbs", "groups", "resources", "names", "urls")]


def _row(rule: Mapping[str, list[str]]) -> list[str]:
    names = [f"{each}.{rule['groups'][0]}".rstrip(".") for each in rule["resources"]]
    return [",".join(names), *(_bracketed(rule[key]) for key in ("urls", "names", "verbs"))]


def _bracketed(words: list[str]) -> str:
    return f"[{' '.join(words)}]"


@connected
async def whoami(session: Session, output: options.Output = "") -> None:
    """Tell who you are to the server: name and groups."""
    documents.check_form(output, [form for form in documents.FORMS if form not in ("wide", "name")])
    answer = await _review(session, f"{AUTHENTICATION}/v1", "SelfSubjectReview", {})
    if output:
        documents.show(output, answer)
        return
    info = answer["status"]["userInfo"]
    rows = [["Username", info["username"]]]
    rows += [["UID", info["uid"]]] if info.get("uid") else []
    rows += [["Groups", _bracketed(info["groups"])]] if info.get("groups") else []
    rows += [[f"Extra: {key}", _bracketed(values)] for key, values in sorted((info.get("extra") or {}).items())]
    for line in tables.Columns().lines(("ATTRIBUTE", "VALUE"), rows):
        print(line)
