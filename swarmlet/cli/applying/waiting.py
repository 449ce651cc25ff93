"""Waiting until what was applied is ready, following its objects by watches and telling how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from swarmlet.cli.applying import progress
from swarmlet.cli.applying.objects import Applied
from swarmlet.cli.exits import TimedOutError, first
from swarmlet.cli.rollouts import judging as rollouts
from swarmlet.cli.rollouts.judging import Progress
from swarmlet.cli.session import Session
from swarmlet.client.client import Scope
from swarmlet.client.discovery import Catalogue, Resource
from swarmlet.client.watching import DELETED, Watch, key
from swarmlet.errors import CallerError, NotFoundError

JUDGES: Mapping[str, Callable[[Mapping[str, Any]], Progress]] = {
    "deployments.apps": rollouts.deployment,
    "statefulsets.apps": rollouts.stateful_set,
    "daemonsets.apps": rollouts.daemon_set,
    "pods": rollouts.pod,
}
"""The kinds that take time to be ready; the others are when they are stored."""

Document = Mapping[str, Any]


@dataclass(slots=True)
class _Picture:
    """What is known of the kinds followed: resource -> (namespace, name) -> object."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    objects: dict[str, dict[tuple[str, str], Document]] = field(default_factory=dict)

    def get(self, target: Applied) -> Document | None:
        return self.objects.get(_name(target.resource), {}).get((target.namespace, target.name))

    def pods_of(self, target: Applied) -> list[Document]:
        pods = self.objects.get("pods", {})
        if _name(target.resource) == "pods":
            return [pod for at, pod in pods.items() if at == (target.namespace, target.name)]
        owner = self.get(target)
        labels = (((owner or {}).get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        return [
            pod
            for (namespace, _), pod in pods.items()
            if labels
            and namespace == target.namespace
            and labels.items() <= (pod["metadata"].get("labels") or {}).items()
        ]


@dataclass(frozen=True, slots=True)
class State:
    """How one target is, and what its Pods complain about."""

    target: Applied
    progress: Progress
    complaints: Sequence[str] = ()


async def until_ready(session: Session, catalogue: Catalogue, applied: Sequence[Applied], seconds: float) -> None:
    """Return when all are ready.

    Raises:
        TimedOutError: not within `seconds`; says which, and what its Pods complain about.
        CallerError: one has failed for good.
    """
    targets = [each for each in applied if _name(each.resource) in JUDGES]
    if not targets:
        return
    picture = _Picture()
    with progress.display() as display:
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                followers = [
                    tasks.create_task(_follow(session, resource, namespace, picture))
                    for resource, namespace in _to_follow(targets, catalogue)
                ]
                await _settle(targets, picture, display)
                for follower in followers:
                    follower.cancel()
        except TimeoutError:
            raise TimedOutError(_what_is_wrong(targets, picture, seconds)) from None
        except ExceptionGroup as group:
            raise first(group) from None


def _to_follow(targets: Sequence[Applied], catalogue: Catalogue) -> list[tuple[Resource, str]]:
    """Return (kind, namespace) of the targets, and the Pods of their namespaces."""
    pods = catalogue.find("pods")
    wanted = [(each.resource, each.namespace) for each in targets] + [(pods, each.namespace) for each in targets]
    return list(dict.fromkeys(wanted))


async def _follow(session: Session, resource: Resource, namespace: str, picture: _Picture) -> None:
    watch = Watch(session.api, resource, Scope(namespace=namespace))
    listed = await watch.start()
    objects = picture.objects.setdefault(_name(resource), {})
    objects.update({key(item): item for item in listed.get("items") or ()})
    picture.changed.set()
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type == DELETED:
                objects.pop(key(event.object), None)
            else:
                objects[key(event.object)] = event.object
            picture.changed.set()


async def _settle(targets: Sequence[Applied], picture: _Picture, display: progress.Display) -> None:
    """Show each new state until all are done; raise where one failed or is gone."""
    kinds = {_name(each.resource) for each in targets} | {"pods"}
    while True:
        await picture.changed.wait()
        picture.changed.clear()
        if not kinds <= picture.objects.keys():
            continue
        states = [_state(target, picture) for target in targets]
        display.show([progress.Line(str(each.target), each.progress, each.complaints) for each in states])
        failed = next((each for each in states if each.progress.failed), None)
        if failed:
            raise CallerError(_with_complaints(failed))
        if all(each.progress.done for each in states):
            return


def _state(target: Applied, picture: _Picture) -> State:
    found = picture.get(target)
    if found is None:
        raise NotFoundError(f"{target} was deleted while it was waited for")
    judged = JUDGES[_name(target.resource)](found)
    return State(target, judged, () if judged.done else rollouts.complaints(picture.pods_of(target)))


def _what_is_wrong(targets: Sequence[Applied], picture: _Picture, seconds: float) -> str:
    known = [_state(target, picture) for target in targets if picture.get(target) is not None]
    late = [each for each in known if not each.progress.done]
    told = "; ".join(_with_complaints(each) for each in late) or "the cluster did not say how far it is"
    return f"not ready within {seconds:g} s: {told}"


def _with_complaints(state: State) -> str:
    told = f"{state.target}: {state.progress.ready} of {state.progress.wanted} ready"
    if state.progress.failed:
        told = f"{state.target}: {state.progress.told}"
    return "; ".join([told, *state.complaints])


def _name(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural
