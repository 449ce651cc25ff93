"""Which Pods a word of the command line stands for: a Pod's name, TYPE/NAME, or those that a selector finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmlet.cli import exits
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.session import Session
    from swarmlet.client.discovery import Catalogue

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

Document = dict[str, Any]


async def find(session: Session, catalogue: Catalogue, word: str, labels: str = "") -> list[Document]:
    """Return the Pods that a name, TYPE/NAME or selector stands for, those that run first."""
    from swarmlet.cli import selection
    from swarmlet.client.client import Scope

    pods = catalogue.find("pods")
    if word and "/" not in word:
        return [await session.api.get(pods, word, namespace=session.namespace)]
    if word:
        reference = selection.one([word], catalogue)
        found = await session.api.get(reference.resource, reference.name, namespace=session.namespace)
        if reference.resource == pods:
            return [found]
        labels = _selector_text((found.get("spec") or {}).get("selector") or {})
        if not labels:
            raise exits.UsageError(f"{word}: has no Pods of its own")
    listed = (await session.api.list(pods, Scope(namespace=session.namespace, labels=labels))).get("items") or []
    if not listed:
        raise NotFoundError(f"no pods found for {word or labels}")
    return sorted(listed, key=lambda pod: (pod["status"].get("phase") != "Running", pod["metadata"]["name"]))


def containers(pod: Document) -> list[Document]:
    """Return a Pod's containers, those that initialise it first."""
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def container(pod: Document, name: str = "") -> str:
    """Return the name of the container that is meant: as named, else the default, which is said where others are."""
    known = [each["name"] for each in containers(pod)]
    if name and name not in known:
        raise NotFoundError(f'pod "{pod["metadata"]["name"]}" has no container "{name}"; it has {", ".join(known)}')
    main = pod["spec"]["containers"]
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER) or main[0]["name"]
    if not name and len(main) > 1:
        exits.say(f'Defaulted container "{default}" out of: {", ".join(known)}')
    return str(name or default)


def _selector_text(selector: Document) -> str:
    if "matchLabels" not in selector and "matchExpressions" not in selector:  # a Service's is plain labels
        return ",".join(f"{key}={value}" for key, value in selector.items())
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        texts = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(texts.get(each["operator"], f"!{key}"))
    return ",".join(parts)
