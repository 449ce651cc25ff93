"""What a namespace's LimitRanges and ResourceQuotas say to the objects that one command is about to make.

A quota's `status.used` rises in the same atomic command that makes the objects, and the command names the revision of
the quota that was read: of two that take the last place at once, through whichever daemons, one fails and reads anew.
In a namespace without quotas this costs two look-ups and nothing in the log. docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

import msgspec

from swarmlet.errors import ForbiddenError, InvalidError
from swarmlet.model import amounts, defaults, kinds, limits, objects, pods, usage, validation
from swarmlet.model.amounts import Amounts
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.quotas import LimitRange, ResourceQuota, ResourceQuotaStatus
from swarmlet.model.scheduling import PriorityClass
from swarmlet.model.storage import PersistentVolumeClaim
from swarmlet.store import priority, runtime_classes, service_accounts
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Change, Stored, View
from swarmlet.store.tally import Tally, is_up_to_date

QUOTAS = kinds.RESOURCE_QUOTA.resource
LIMIT_RANGES = kinds.LIMIT_RANGE.resource

Admitted = TypeVar("Admitted", bound=Object)


class Allowance:
    """The room that is left, as this view knows it, while the objects of one command take theirs."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._charged: dict[Key, tuple[Stored, ResourceQuota]] = {}

    @property
    def is_charged(self) -> bool:
        """Whether a quota counts what was admitted: then it must be made with `operations`, in one atomic command."""
        return bool(self._charged)

    def operations(self) -> tuple[Put, ...]:
        """Return the operations that raise what is used of the quotas."""
        return tuple(_raised(stored, quota) for stored, quota in self._charged.values())

    def admit(self, kind: Kind, value: Admitted) -> Admitted:
        """Return a new object as its classes and LimitRanges complete it, having taken its place in the quotas.

        Raises `ForbiddenError`, taking nothing, where it breaks a limit, exceeds a quota or names a class that is not,
        and `InvalidError` where the limits' defaults contradict what the object says itself.
        """
        if isinstance(value, PriorityClass):
            priority.check_default(self._view, value)
        if not kind.namespaced:
            return value
        complete = self._limited(kind, self._classed(value)) if isinstance(value, Pod) else value
        if isinstance(value, PersistentVolumeClaim):
            self._check_claim(kind, value)
        self._charge(kind, complete, {})
        return cast("Admitted", complete)

    def admit_change(self, kind: Kind, old: Object, new: Object) -> None:
        """Let an object become another one that may use more; raise `ForbiddenError` where there is no room."""
        if (
            isinstance(new, PersistentVolumeClaim)
            and new.spec.resources != cast(PersistentVolumeClaim, old).spec.resources
        ):
            self._check_claim(kind, new)
        if kind.namespaced:
            self._charge(kind, new, usage.of(kind.resource, old))

    def _classed(self, pod: Pod) -> Pod:
        named = service_accounts.admitted(self._view, pod)
        return runtime_classes.admitted(self._view, priority.admitted(self._view, named))

    def _limited(self, kind: Kind, pod: Pod) -> Pod:
        ranges = self._ranges(pod.metadata.namespace)
        complete = limits.with_defaults(pod, ranges)
        if complete is not pod:
            complete = pods.admitted(cast("Pod", defaults.fill(complete)))
            validation.validate(complete)
        broken = limits.of_pod(complete, ranges)
        if broken:
            raise _forbidden(kind, pod, limits.words(broken))
        return complete

    def _check_claim(self, kind: Kind, claim: PersistentVolumeClaim) -> None:
        broken = limits.of_claim(claim.spec.resources.requests, self._ranges(claim.metadata.namespace))
        if broken:
            raise _forbidden(kind, claim, limits.words(broken))

    def _ranges(self, namespace: str) -> Sequence[LimitRange]:
        return [cast("LimitRange", stored.object) for stored in self._view.list(LIMIT_RANGES, namespace)]

    def _charge(self, kind: Kind, value: Object, before: Amounts) -> None:
        taken: dict[Key, tuple[Stored, ResourceQuota]] = {}
        for stored, quota in self._quotas(value.metadata.namespace):
            if not usage.matches(quota.spec, value):
                continue
            missing = "" if before else usage.unspecified(quota.spec, value)
            if missing:
                raise _forbidden(kind, value, f"failed quota: {quota.metadata.name}: must specify {missing}")
            wanted = amounts.growth(before, usage.counted(quota.spec, kind.resource, value))
            if wanted:
                taken[stored.key] = (stored, self._with_room(kind, value, quota, wanted))
        self._charged |= taken

    def _quotas(self, namespace: str) -> Iterator[tuple[Stored, ResourceQuota]]:
        """Yield the quotas with what this command has charged to them already."""
        for stored in self._view.list(QUOTAS, namespace):
            yield self._charged.get(stored.key) or (stored, cast("ResourceQuota", stored.object))

    def _with_room(self, kind: Kind, value: Object, quota: ResourceQuota, wanted: Amounts) -> ResourceQuota:
        """Return the quota with `wanted` used too; raise `ForbiddenError` where that is more than it allows."""
        used = amounts.parsed(quota.status.used) if is_up_to_date(quota) else self._counted(quota)
        hard = amounts.parsed(quota.spec.hard)
        after = amounts.added(used, wanted)
        exceeded = amounts.over(amounts.chosen(after, wanted), hard)
        if exceeded:
            told = [amounts.shown(amounts.chosen(each, exceeded)) for each in (wanted, used, hard)]
            words = f"requested: {told[0]}, used: {told[1]}, limited: {told[2]}"
            raise _forbidden(kind, value, f"exceeded quota: {quota.metadata.name}, {words}")
        status = ResourceQuotaStatus(hard=quota.spec.hard, used=amounts.written(after))
        return msgspec.structs.replace(quota, status=status)

    def _counted(self, quota: ResourceQuota) -> Amounts:
        """Count what is used of a quota that is new, or that limits something else since a moment ago."""
        return Tally(quota.metadata.namespace, quota.spec).used(self._view)


def gives_room(change: Change) -> bool:
    """Whether a change may let through what was refused before: a limit is another, or less of a quota is used."""
    if change.key.resource != QUOTAS or change.old is None or change.new is None:
        return change.key.resource in (QUOTAS, LIMIT_RANGES)
    old, new = cast("ResourceQuota", change.old.object), cast("ResourceQuota", change.new.object)
    try:
        before, after = amounts.parsed(old.status.used), amounts.parsed(new.status.used)
    except InvalidError:  # somebody wrote a status by hand
        return True
    return old.spec != new.spec or bool(amounts.growth(after, before))


def _raised(stored: Stored, quota: ResourceQuota) -> Put:
    bare = objects.with_metadata(quota, resource_version="")
    return Put(stored.key, objects.to_json(bare), expected_revision=stored.revision, expected_uid=quota.metadata.uid)


def _forbidden(kind: Kind, value: Object, why: str) -> ForbiddenError:
    return ForbiddenError(f'{kind.resource} "{value.metadata.name}" is forbidden: {why}')
