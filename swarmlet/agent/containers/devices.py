"""Who has which of this machine's devices: never two the same unit, and the same container the same ones again.

    ledger = Ledger(config.devices, exists=os.path.exists)
    ledger.take("uid", container, done=(), active={"uid"})  # (("example.com/fuse", "0"),)
    ledger.of(units)                                        # what a runtime is told

What runs remembers its units itself, by a label of its container, and `restore` takes that in after a restart.
Source: kubernetes pkg/kubelet/cm/devicemanager (devicesToAllocate).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from swarmlet.errors import SwarmletError
from swarmlet.model import quantity, resource_names
from swarmlet.model.container import Container
from swarmlet.model.device_classes import DeviceClass
from swarmlet.runtime.isolation import Device, Devices, DriverRequest

Unit = tuple[str, str]
"""A resource's name and which of its units."""


class DevicesTakenError(SwarmletError):
    """The node has no unit left for a container that the scheduler sent here."""

    retryable = True


class Ledger:
    """The units of this machine and their holders, by Pod uid and container name."""

    def __init__(self, classes: Mapping[str, DeviceClass], exists: Callable[[str], bool]) -> None:
        self._classes = classes
        self._units = {name: _units(each, exists) for name, each in classes.items()}
        self._holdings: dict[tuple[str, str], tuple[Unit, ...]] = {}

    def capacity(self) -> dict[str, str]:
        """Return how many units there are, by resource name; files that are not there do not count."""
        return {name: str(len(units)) for name, units in self._units.items()}

    def restore(self, pod_uid: str, container: str, units: tuple[Unit, ...]) -> None:
        """Take in what a container that was found holds."""
        if units:
            self._holdings[pod_uid, container] = units

    def take(
        self, pod_uid: str, container: Container, *, done: Collection[str], active: Collection[str]
    ) -> tuple[Unit, ...]:
        """Return the container's units, those that it had before where it had some.

        `done` are the containers of its Pod that have ended for good before its turn came, `active` the Pods of this
        node that have not finished: what those and others than these hold is given back. Raises `DevicesTakenError`.
        """
        wanted = _wanted(container)
        key = (pod_uid, container.name)
        if not wanted:
            return ()
        self._give_back(pod_uid, done, active)
        held = self._holdings.get(key)
        if held is None or not self._still_right(held, wanted):
            self._holdings.pop(key, None)
            units = tuple(unit for name, count in wanted.items() for unit in self._choose(name, count))
            held = self._holdings[key] = units
        return held

    def of(self, units: Iterable[Unit]) -> Devices:
        """Return what a runtime is told of some units."""
        files: list[Device] = []
        requests: dict[str, list[str]] = {}
        units = tuple(units)
        for name, unit in units:
            each = self._classes[name]
            if each.driver:
                requests.setdefault(each.driver, []).append(unit)
            else:
                paths = (unit,) if each.each else each.paths
                files += [Device(path, each.permissions) for path in paths]
        return Devices(
            files=tuple(dict.fromkeys(files)),
            requests=tuple(DriverRequest(driver, tuple(found)) for driver, found in requests.items()),
            units=units,
        )

    def _give_back(self, pod_uid: str, done: Collection[str], active: Collection[str]) -> None:
        for holder in list(self._holdings):
            if holder[0] not in active or (holder[0] == pod_uid and holder[1] in done):
                del self._holdings[holder]

    def _still_right(self, held: Iterable[Unit], wanted: Mapping[str, int]) -> bool:
        """Whether the units are as many as are asked for, and there after the configuration may have changed."""
        counts: dict[str, int] = {}
        for name, unit in held:
            if unit not in self._units.get(name, ()):
                return False
            counts[name] = counts.get(name, 0) + 1
        return counts == wanted

    def _choose(self, name: str, count: int) -> list[Unit]:
        taken = {unit for units in self._holdings.values() for unit in units}
        free = [(name, unit) for unit in self._units.get(name, ()) if (name, unit) not in taken]
        if len(free) < count:
            raise DevicesTakenError(
                f"Allocate failed due to requested number of devices unavailable for {name}. "
                f"Requested: {count}, Available: {len(free)}"
            )
        return free[:count]


def _wanted(container: Container) -> dict[str, int]:
    asked = {name: quantity.to_int(text) for name, text in sorted(container.resources.limits.items())}
    return {name: count for name, count in asked.items() if count and resource_names.is_extended(name)}


def _units(each: DeviceClass, exists: Callable[[str], bool]) -> tuple[str, ...]:
    if each.driver:
        return each.ids
    if each.each:
        return tuple(path for path in each.each if exists(path))
    return tuple(map(str, range(each.count))) if all(map(exists, each.paths)) else ()
