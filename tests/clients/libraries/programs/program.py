"""One client library at work: `program.py LIBRARY SCENARIO NAMESPACE [KUBECONFIG]`, without one as in a Pod.

Each library is driven by a module `with_LIBRARY`, whose `Client` has the same methods; what it cannot do, it has not.
What is found is printed, a JSON document a line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

PATCHES: dict[str, Any] = {
    "merge": {"data": {"merge": "1", "is": None}},
    "strategic": {"data": {"strategic": "2"}, "metadata": {"labels": {"a": "b"}}},
    "json": [{"op": "add", "path": "/data/json", "value": "3"}],
}
COUNT, PAGE = 7, 3


def tell(what: str, found: Any) -> None:
    print(json.dumps({what: found}), flush=True)


def crud(client: Any) -> None:
    """Make, read, change in each way, list in pages, and delete; and be refused."""
    name = f"{client.library}-{os.getpid()}"
    client.create(name, {"is": "made"})
    tell("made", client.read(name))
    for kind in client.patches:
        client.patch(name, kind, PATCHES[kind])
        tell(kind, client.read(name))
    if hasattr(client, "replace"):
        tell("replaced", client.replace(name, {"is": "replaced"}))
    if hasattr(client, "apply"):
        tell("applied", client.apply(f"{name}-applied", {"is": "applied"}, manager="one", force=False))
        tell("conflict", client.apply(f"{name}-applied", {"is": "another"}, manager="two", force=False))
        tell("forced", client.apply(f"{name}-applied", {"is": "another"}, manager="two", force=True))
        client.delete(f"{name}-applied")
    for number in range(COUNT):
        client.create(f"{name}-{number}", {})
    tell("pages", sum(1 for each in client.names(PAGE) if each.startswith(f"{name}-")))
    for number in range(COUNT):
        client.delete(f"{name}-{number}")
    client.delete(name)
    tell("gone", client.read(name))
    tell("refused", client.refused())


def streams(client: Any) -> None:
    """Use a Pod named `web`, which answers HTTP on 8080, as far as the library can."""
    if hasattr(client, "log"):
        tell("log", client.log("web"))
    if hasattr(client, "exec"):
        tell("exec", client.exec("web", ["echo", "inside"]))
    if hasattr(client, "forward"):
        tell("forward", client.forward("web", 8080))


def watch(client: Any) -> None:
    """Tell events as the library's users hear of them, whatever befalls their server, until one named `end`."""
    for kind, name, version in client.events(lambda why: tell("again", why)):
        tell("event", [kind, name, version])
        if name == "end":
            return


def elect(client: Any) -> None:
    """Stand for election under the host's name or `IDENTITY`, and tell when it leads."""
    client.elect(os.environ["IDENTITY"], lambda: tell("leads", time.time()))


SCENARIOS: dict[str, Callable[[Any], None]] = {each.__name__: each for each in (crud, streams, watch, elect)}


def main() -> None:
    library, scenario, namespace, *kubeconfig = sys.argv[1:]
    client = importlib.import_module(f"with_{library}").Client(namespace, *kubeconfig)
    SCENARIOS[scenario](client)


if __name__ == "__main__":
    main()
