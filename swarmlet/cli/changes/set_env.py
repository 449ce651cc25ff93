"""`swarmlet set env`: the environment of containers, by value or from a ConfigMap or Secret; and listing it.

Source: kubernetes/kubectl/pkg/cmd/set/set_env.go.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from swarmlet.cli import exits, options
from swarmlet.cli.changes import pod_specs
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

STDIN = "-"
STDIN_BYTES_MAX = 1024 * 1024
SOURCES = {"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"}
NAME_CHARACTERS = re.compile("[^a-zA-Z0-9_]")

Document = dict[str, Any]
What = Annotated[
    list[str] | None, Argument(metavar="TYPE/NAME... KEY=VALUE... KEY-...", help="As in `deploy/web MODE=fast OLD-`.")
]


@dataclass(frozen=True, slots=True)
class _Changes:
    """Variables to be set, as a container's spec has them, and names of those to go."""

    wanted: Sequence[Document]
    gone: Sequence[str]
    overwrite: bool

    def of(self, container: Mapping[str, Any]) -> Document:
        """Return the change of a container; raise `CallerError` where a value would be overwritten that must not be."""
        before = {each["name"]: each for each in container.get("env") or ()}
        for each in self.wanted:
            old = before.get(each["name"])
            if old and not self.overwrite and old != each:
                told = old.get("value", "")
                raise CallerError(f"'{each['name']}' already has a value ({told}), and --overwrite is false")
        whole = [each | ({"value": None} if "valueFrom" in each else {"valueFrom": None}) for each in self.wanted]
        return {
            "name": container["name"],
            "env": [
                *whole,
                *({"$patch": "delete", "name": name} for name in self.gone if name in before),
            ],
        }


@connected
async def env(
    session: Session,
    what: What = None,
    env_: Annotated[list[str] | None, Option("--env", "-e", help="KEY=VALUE; -: of stdin; may be repeated.")] = None,
    from_: Annotated[str, Option("--from", help="From all of this: secret/NAME, configmap/NAME.")] = "",
    keys: Annotated[list[str] | None, Option("--keys", help="With --from: only these keys.")] = None,
    prefix: Annotated[str, Option("--prefix", help="With --from: begin the names so.")] = "",
    containers: Annotated[str, Option("--containers", "-c", help="Only containers named so; `*` is any.")] = "*",
    overwrite: Annotated[bool, Option("--overwrite/--no-overwrite", help="Change what there is (the default).")] = True,
    list_: Annotated[bool, Option("--list", help="Print what there is.")] = False,
    resolve: Annotated[bool, Option("--resolve", help="With --list: the values that are referred to.")] = False,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: options.Every = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set variables of the environment of containers (`KEY=VALUE`), and remove them (`KEY-`).

    `set env deploy/web MODE=fast OLD-`, `set env deploy/web --from=secret/db --prefix=DB_`, `set env deploy/web --list`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    words, pairs, gone = split([*(what or ()), *_given(env_ or ())])
    wanted: list[Document] = [{"name": name, "value": value} for name, value in pairs.items()]
    if from_:
        wanted += await _referred(session, from_, keys or (), prefix)
    if not list_ and not wanted and not gone:
        raise exits.UsageError("at least one environment variable must be provided, as in MODE=fast")
    if list_ and (wanted or gone):
        raise exits.UsageError("--list prints what there is: it goes with no change")
    wish = targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_, local=local)
    found = await targets.find(session, words, wish)
    if list_:
        for target in found:
            await _print(session, target, containers, resolve=resolve)
        return
    changes = _Changes(wanted, gone, overwrite)
    patches = [_patch(target, containers, changes) for target in found]  # all of them, before the first is sent
    for target, patch in zip(found, patches, strict=True):
        await pod_specs.change(session, target, patch, outcome, "env updated")


def split(words: Iterable[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the words that name objects, the variables to be set, and the names of those to go."""
    names, pairs, gone = [], {}, []
    for word in words:
        key, is_pair, value = word.partition("=")
        if is_pair and key:
            pairs[key] = value
        elif is_pair:
            raise exits.UsageError(f"{word}: found no name; allowed: KEY=VALUE")
        elif word.endswith("-"):
            gone.append(word.removesuffix("-"))
        else:
            names.append(word)
    return names, pairs, gone


def _given(words: Iterable[str]) -> list[str]:
    """Return what --env says, with the lines of stdin for a -."""
    found: list[str] = []
    for word in words:
        if word == STDIN:
            lines = sys.stdin.read(STDIN_BYTES_MAX).splitlines()
            found += [line for line in lines if line.strip() and not line.startswith("#")]
        else:
            found.append(word)
    if wrong := [each for each in found if "=" not in each]:
        raise exits.UsageError(f"--env: found {wrong[0]}; allowed: KEY=VALUE")
    return found


async def _referred(session: Session, source: str, keys: Sequence[str], prefix: str) -> list[Document]:
    """Return variables that refer to the keys of a ConfigMap or Secret."""
    from swarmlet.cli import selection

    reference = selection.one([source], await session.catalogue())
    if (kind := reference.resource.kind) not in SOURCES:
        raise exits.UsageError(f"--from={source}: found a {kind}; allowed: secret/NAME, configmap/NAME")
    document = await session.api.get(reference.resource, reference.name, namespace=session.namespace)
    there = sorted(document.get("data") or {})
    wanted = [key for text in keys for key in text.split(",")]
    if missing := [key for key in wanted if key not in there]:
        raise CallerError(f"{reference} has no key {missing[0]}; it has {', '.join(there) or 'none'}")
    found = []
    for key in wanted or there:
        name = NAME_CHARACTERS.sub("_", key).upper()
        if name != key:
            exits.say(f"Warning: key {key} transferred to {name}")
        found.append({"name": prefix + name, "valueFrom": {SOURCES[kind]: {"name": reference.name, "key": key}}})
    return found


def _patch(target: Target, pattern: str, changes: _Changes) -> Document:
    changed = [(key, changes.of(each)) for key, each in pod_specs.matching(target, pattern)]
    return pod_specs.patch(target, changed)


async def _print(session: Session, target: Target, pattern: str, *, resolve: bool) -> None:
    for _, container in pod_specs.matching(target, pattern):
        print(f"# {target.resource.kind} {target.name}, container {container['name']}")
        for each in container.get("env") or ():
            source = each.get("valueFrom")
            if source is None:
                print(f"{each['name']}={each.get('value', '')}")
            elif resolve and (value := await _resolved(session, target, source)) is not None:
                print(f"{each['name']}={value}")
            else:
                print(f"# {each['name']} from {_told(source)}")


async def _resolved(session: Session, target: Target, source: Mapping[str, Any]) -> str | None:
    """Return the value that a ConfigMap or Secret has; None for what only a Pod knows."""
    for plural, key in (("configmaps", "configMapKeyRef"), ("secrets", "secretKeyRef")):
        if reference := source.get(key):
            resource = (await session.catalogue()).find(plural)
            found = await session.api.get(resource, reference["name"], namespace=target.namespace or session.namespace)
            value = (found.get("data") or {}).get(reference["key"])
            if value is None:
                raise CallerError(f"{resource.singular} {reference['name']} has no key {reference['key']}")
            return base64.b64decode(value).decode(errors="replace") if plural == "secrets" else str(value)
    return None


def _told(source: Mapping[str, Any]) -> str:
    """Return kubectl's words for where a value comes from."""
    if reference := source.get("configMapKeyRef"):
        return f"configmap {reference['name']}, key {reference['key']}"
    if reference := source.get("secretKeyRef"):
        return f"secret {reference['name']}, key {reference['key']}"
    if reference := source.get("resourceFieldRef"):
        where = f" of container {reference['containerName']}" if reference.get("containerName") else ""
        return f"resource {reference['resource']}{where}"
    return f"field path {(source.get('fieldRef') or {}).get('fieldPath', '')}"
