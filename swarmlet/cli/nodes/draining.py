"""Taking the Pods of one node away: asking for each eviction, as often as it takes, until all are gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from swarmlet.cli import exits
from swarmlet.cli.nodes.drain_plan import Victim
from swarmlet.cli.session import Session
from swarmlet.client.client import Scope
from swarmlet.client.discovery import Resource
from swarmlet.client.watching import DELETED, Watch
from swarmlet.errors import (
    BusyError,
    ConflictError,
    DisruptionBudgetError,
    NotFoundError,
    OutcomeUnknownError,
    SwarmletError,
    UnavailableError,
)

REQUESTS_MAX = 10
"""Evictions asked for at once."""
RETRY_SECONDS = 2.0

RETRIED = (BusyError, ConflictError, OutcomeUnknownError, UnavailableError)
"""What a later try may be spared; one that took effect unseen is granted again, and counts once."""

HINT = "more replicas or a smaller budget would let it go: see `swarmlet get pdb -n {}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How Pods are taken away. `grace_seconds` None: each Pod's own."""

    evict: bool = True
    grace_seconds: int | None = None
    dry_run: bool = False

    @property
    def doing(self) -> str:
        return "evicting" if self.evict else "deleting"

    @property
    def done(self) -> str:
        return "evicted" if self.evict else "deleted"

    def delete_options(self, victim: Victim) -> dict[str, Any]:
        """Return the options of the deletion; it is this Pod that is meant, and not a later one of its name."""
        options: dict[str, Any] = {"preconditions": {"uid": victim.uid}}
        if self.grace_seconds is not None:
            options["gracePeriodSeconds"] = self.grace_seconds
        return options | ({"dryRun": ["All"]} if self.dry_run else {})


class Draining:
    """The Pods of one node that are to go. `left` tells which are still there, and what they wait for."""

    def __init__(self, session: Session, pods: Resource, node: str, labels: str, manner: Manner) -> None:
        self.left: dict[Victim, str] = {}
        self._session = session
        self._pods = pods
        self._manner = manner
        self._watch = Watch(session.api, pods, Scope(labels=labels, fields=f"spec.nodeName={node}"))
        self._gone: dict[str, asyncio.Event] = {}
        self._requests = asyncio.Semaphore(REQUESTS_MAX)

    async def pods(self) -> Sequence[Mapping[str, Any]]:
        """Return the node's Pods as they are now."""
        return (await self._watch.start()).get("items") or ()

    async def remove(self, victims: Sequence[Victim]) -> None:
        """Return when all that may go are gone: what is `left` then, will not go. `pods` was called before."""
        self.left = dict.fromkeys(victims, "not asked for yet")
        self._gone = {victim.uid: asyncio.Event() for victim in victims}
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow())
            await asyncio.gather(*map(self._remove, victims))
            following.cancel()

    async def _follow(self) -> None:
        async with aclosing(self._watch.events()) as events:
            async for event in events:
                gone = self._gone.get(event.object["metadata"]["uid"])
                if gone is not None and event.type == DELETED:
                    gone.set()

    async def _remove(self, victim: Victim) -> None:
        manner, gone = self._manner, self._gone[victim.uid]
        print(f"{manner.doing} pod {victim}{' (server dry run)' if manner.dry_run else ''}", flush=True)
        if not await self._ask_until_granted(victim):
            return
        if not manner.dry_run:
            self.left[victim] = f"{manner.done}, and not ended yet"
            await gone.wait()
            print(f"pod/{victim.name} {manner.done}", flush=True)
        del self.left[victim]

    async def _ask_until_granted(self, victim: Victim) -> bool:
        """Return whether the Pod goes; False where asking again would not help."""
        gone = self._gone[victim.uid]
        while not gone.is_set():
            try:
                async with self._requests:
                    await self._ask(victim)
                    return True
            except NotFoundError:
                gone.set()
            except SwarmletError as error:
                self._note(victim, error)
                if self._manner.dry_run or not isinstance(error, RETRIED):
                    return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await gone.wait()
        return True

    async def _ask(self, victim: Victim) -> None:
        options = self._manner.delete_options(victim)
        ask = self._session.api.evict if self._manner.evict else self._session.api.delete
        await ask(self._pods, victim.name, namespace=victim.namespace, options=options)

    def _note(self, victim: Victim, error: SwarmletError) -> None:
        """Tell what a Pod waits for, once for each reason."""
        why = str(error)
        if isinstance(error, DisruptionBudgetError):
            why = f"{error.cause}; {HINT.format(victim.namespace)}"
        if self.left[victim] != why:
            self.left[victim] = why
            exits.say(f"pod {victim} not {self._manner.done}: {why}")
