"""What a shell may complete a line with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlet.cli.completing import FILES, words
from swarmlet.cli.completing.line import Line, parsed, words_of

if TYPE_CHECKING:
    from swarmlet.cli.completing.live import Cluster
    from swarmlet.client.discovery import Catalogue, Resource

WORD_BREAKS = "=:"
"""What bash takes for the end of a word, so that only what follows is replaced."""


def answer(shell: str, text: str) -> list[str]:
    """Return the words that may stand at the cursor, the end of `text`; or FILES alone."""
    line = read(words_of(text)[1:])
    found = [each for each in dict.fromkeys(_candidates(line)) if each == FILES or each.startswith(line.current)]
    if shell == "bash":
        whole = line.prefix + line.current
        start = max(whole.rfind(sign) for sign in WORD_BREAKS) + 1
        return [each if each == FILES else (line.prefix + each)[start:] for each in found]
    return [each if each == FILES else line.prefix + each for each in found]


def read(given: list[str]) -> Line:
    """Read the words after the program's name; no more of the program is imported than the command needs."""
    from typer.main import get_command

    from swarmlet import cli
    from swarmlet.cli import parsing, session

    options = dict.fromkeys(session.option_names())
    first = next(iter(parsing.command_first(given[:-1], options)), "")
    known = [name for names in cli.GROUPS.values() for name in names]
    root: Any = get_command(cli.build(first)) if first in known else None
    return parsed(given, root, options)


def _candidates(line: Line) -> Iterable[str]:
    if line.expecting:
        return _values(line)
    commands = getattr(line.command, "commands", None)
    if line.current.startswith("-") and not line.is_after_end:
        return _options(line)
    if not line.path and not line.positionals:
        from swarmlet import cli

        return [name for names in cli.GROUPS.values() for name in names]
    if commands and not line.positionals:
        return [name for name, each in commands.items() if not each.hidden]
    return _arguments(line)


def _options(line: Line) -> list[str]:
    if line.path:
        return [name for each in line.command.params for name in each.opts if name.startswith("--")]
    from swarmlet.cli import session

    return sorted(name for name in session.option_names() if name.startswith("--"))


def _values(line: Line) -> Iterable[str]:
    """Return what the value of an option may be."""
    name = line.expecting
    if name in words.FILES:
        return [FILES]
    ask = next((ask for names, ask in VALUES_ASKED.items() if name in names), None)
    with contextlib.suppress(OSError):
        return ask(line) if ask else words.VALUES.get(name, ())
    return ()


def _arguments(line: Line) -> Iterable[str]:
    """Return what an argument may be."""
    ask = ARGUMENTS_ASKED.get(words.ARGUMENTS.get(" ".join(line.path), ""))
    if ask is None or (line.is_after_end and line.path == ["exec"]):
        return ()
    with contextlib.suppress(OSError):
        return ask(line, _cluster(line))
    return ()


def _named(line: Line) -> Iterable[str]:
    cluster = _cluster(line)
    return _names(cluster, words.NAMED[line.expecting])


def _names(cluster: Cluster, plural: str) -> list[str]:
    return cluster.names(cluster.catalogue().find(plural))


def _files_and_pods(_: Line, cluster: Cluster) -> Iterable[str]:
    return [f"{name}:" for name in _names(cluster, "pods")] or [FILES]


def _nodes(line: Line, cluster: Cluster) -> Iterable[str]:
    return _unsaid(line, _names(cluster, "nodes"))


def _type_and_nodes(line: Line, cluster: Cluster) -> Iterable[str]:
    return _nodes(line, cluster) if line.positionals else ["nodes"]


def _accounts(line: Line, cluster: Cluster) -> Iterable[str]:
    return _unsaid(line, _names(cluster, "serviceaccounts"))


def _all_kinds(_: Line, cluster: Cluster) -> Iterable[str]:
    return [each.plural for each in cluster.catalogue().preferred]


def _verbs_then_kinds(line: Line, cluster: Cluster) -> Iterable[str]:
    from swarmlet.cli.access.auth import VERBS

    return _all_kinds(line, cluster) if line.positionals else VERBS


def _objects(line: Line, cluster: Cluster) -> Iterable[str]:
    """Return kinds, then names of them; or TYPE/NAME, where one is begun so."""
    catalogue = cluster.catalogue()
    if "/" in line.current or any("/" in each for each in line.positionals):
        kind = line.current.partition("/")[0]
        if "/" not in line.current:
            return [f"{each}/" for each in _kinds(line, catalogue)]
        return [f"{kind}/{name}" for resource in _found(catalogue, kind) for name in cluster.names(resource)]
    if not line.positionals:
        before, comma, _ = line.current.rpartition(",")
        return [f"{before}{comma}{each}" for each in _kinds(line, catalogue)]
    found = [name for resource in _found(catalogue, line.positionals[0]) for name in cluster.names(resource)]
    return _unsaid(line, found)


def _kinds(line: Line, catalogue: Catalogue) -> list[str]:
    only = words.ONLY_KINDS.get(line.path[0], ())
    return [each.plural for each in catalogue.preferred if each.verbs and (not only or each.plural in only)]


def _found(catalogue: Catalogue, word: str) -> list[Resource]:
    from swarmlet.errors import SwarmletError

    try:
        return catalogue.find_all(word)
    except SwarmletError:
        return []


def _pods(line: Line, cluster: Cluster) -> Iterable[str]:
    """Return names of Pods; after the first, of its containers: `logs POD CONTAINER`."""
    if line.positionals:
        return _containers(line) if line.path == ["logs"] else ()
    if "/" in line.current:
        return _objects(line, cluster)
    return _names(cluster, "pods")


def _containers(line: Line) -> list[str]:
    if not line.positionals:
        return []
    cluster = _cluster(line)
    catalogue = cluster.catalogue()
    word = line.positionals[0] if "/" in line.positionals[0] else f"pods/{line.positionals[0]}"
    kind, _, name = word.partition("/")
    found: list[str] = []
    for resource in _found(catalogue, kind)[:1]:
        document = cluster.ask(resource.path(namespace=cluster.namespace, name=name), {})
        spec = document.get("spec") or {}
        pod = spec if document["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
        found += [each["name"] for key in ("containers", "initContainers") for each in pod.get(key) or ()]
    return found


def _contexts(line: Line) -> list[str]:
    import yaml

    from swarmlet.client import endpoints

    named = line.option("--kubeconfig")
    path = endpoints.kubeconfig_of(os.environ, Path(named) if named else None)
    document = yaml.safe_load(path.read_bytes()) if path else {}
    return [str(each["name"]) for each in document.get("contexts") or ()]


def _unsaid(line: Line, found: Sequence[str]) -> list[str]:
    return [each for each in found if each not in line.positionals]


def _cluster(line: Line) -> Cluster:
    """Return the cluster that the command would speak to."""
    from swarmlet.cli.completing.live import Cluster
    from swarmlet.client import endpoints
    from swarmlet.clock import SystemClock

    def path(name: str) -> Path | None:
        return Path(line.options[name]) if line.options.get(name) else None

    choice = endpoints.Choice(
        socket=path("--socket"),
        servers=tuple(filter(None, line.option("--server", "-s").split(","))),
        kubeconfig=path("--kubeconfig"),
        token=line.option("--token"),
        authority=path("--certificate-authority"),
        context=line.option("--context"),
    )
    endpoint = endpoints.choose(choice, os.environ)
    return Cluster(endpoint, namespace=line.option("--namespace", "-n"), clock=SystemClock())


VALUES_ASKED: Mapping[Collection[str], Callable[[Line], Iterable[str]]] = {
    words.CONTEXTS: _contexts,
    words.CONTAINERS: _containers,
    tuple(words.NAMED): _named,
}
ARGUMENTS_ASKED: Mapping[str, Callable[[Line, Cluster], Iterable[str]]] = {
    words.OBJECTS: _objects,
    words.PODS: _pods,
    words.FILE_OR_POD: _files_and_pods,
    words.NODES: _nodes,
    words.NODE_OBJECTS: _type_and_nodes,
    words.ACCOUNTS: _accounts,
    words.KINDS: _all_kinds,
    words.VERBS_AND_KINDS: _verbs_then_kinds,
}
"""Who knows what an option's value, or a command's argument, may be."""
