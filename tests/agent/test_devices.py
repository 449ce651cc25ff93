"""Devices: never two containers on one unit, and the same unit again for the same container."""

from __future__ import annotations

import pytest

from swarmlet.agent.containers.devices import DevicesTakenError, Ledger
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.device_classes import DeviceClass
from swarmlet.runtime.isolation import Device, Devices, DriverRequest

FUSE, MODEM, GPU = "example.com/fuse", "example.com/modem", "nvidia.com/gpu"
CLASSES = {
    FUSE: DeviceClass(paths=("/dev/fuse", "/dev/fuse2"), count=3, permissions="r"),
    MODEM: DeviceClass(each=("/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/gone")),
    GPU: DeviceClass(driver="nvidia", ids=("0", "1")),
    "example.com/gone": DeviceClass(paths=("/dev/gone",), count=5),
}


def ledger() -> Ledger:
    return Ledger(CLASSES, exists=lambda path: path != "/dev/gone")


def asking(name: str = "c", **counts: str) -> Container:
    names = {"fuse": FUSE, "modem": MODEM, "gpu": GPU}
    limits = {names[key]: count for key, count in counts.items()} | {"memory": "1Gi"}
    return Container(name=name, resources=ResourceRequirements(limits=limits))


def take(of: Ledger, uid: str, container: Container, *, done: str = "", active: str = "abc") -> list[str]:
    return [unit for _, unit in of.take(uid, container, done=done.split(), active=active)]


def test_what_is_there_is_counted() -> None:
    assert ledger().capacity() == {FUSE: "3", MODEM: "2", GPU: "2", "example.com/gone": "0"}


def test_no_unit_is_given_twice() -> None:
    of = ledger()
    assert take(of, "a", asking(modem="1")) == ["/dev/ttyUSB0"]
    assert take(of, "b", asking(modem="1")) == ["/dev/ttyUSB1"]
    with pytest.raises(DevicesTakenError, match=f"unavailable for {MODEM}. Requested: 1, Available: 0"):
        take(of, "c", asking(modem="1"))


def test_a_container_gets_its_own_again() -> None:
    of = ledger()
    take(of, "a", asking(gpu="1"))
    assert take(of, "b", asking(gpu="1")) == take(of, "b", asking(gpu="1")) == ["1"]


def test_what_pods_that_are_gone_had_is_free() -> None:
    of = ledger()
    take(of, "a", asking(gpu="2"))
    assert take(of, "b", asking(gpu="2"), active="b") == ["0", "1"]


def test_what_an_init_container_had_is_free_for_the_others_of_its_pod() -> None:
    of = ledger()
    take(of, "a", asking("init", gpu="2"))
    with pytest.raises(DevicesTakenError):
        take(of, "b", asking(gpu="1"))
    assert take(of, "a", asking("main", gpu="2"), done="init") == ["0", "1"]
    with pytest.raises(DevicesTakenError):
        take(of, "a", asking("other", gpu="1"), done="init")


def test_what_others_of_its_pod_hold_still_is_not_free() -> None:
    of = ledger()
    take(of, "a", asking("init", gpu="2"))
    with pytest.raises(DevicesTakenError):
        take(of, "a", asking("side", gpu="1"))
    assert take(of, "a", asking("init", gpu="2")) == ["0", "1"]


def test_a_restarted_daemon_knows_who_has_what() -> None:
    of = ledger()
    of.restore("a", "c", ((GPU, "1"),))
    assert take(of, "b", asking(gpu="1")) == ["0"]
    assert take(of, "a", asking(gpu="1")) == ["1"]


def test_a_unit_that_is_no_more_is_not_given_again() -> None:
    of = ledger()
    of.restore("a", "c", ((GPU, "7"),))
    assert take(of, "a", asking(gpu="1")) == ["0"]


def test_what_is_no_device_of_this_machine_is_not_there() -> None:
    strange = Container(name="c", resources=ResourceRequirements(limits={"example.com/strange": "1"}))
    with pytest.raises(DevicesTakenError, match="Available: 0"):
        ledger().take("a", strange, done=(), active="a")
    assert ledger().take("a", Container(name="c"), done=(), active="a") == ()


def test_units_are_files_or_a_drivers() -> None:
    units = ((FUSE, "0"), (FUSE, "2"), (MODEM, "/dev/ttyUSB1"), (GPU, "0"), (GPU, "1"))
    assert ledger().of(units) == Devices(
        files=(Device("/dev/fuse", "r"), Device("/dev/fuse2", "r"), Device("/dev/ttyUSB1")),
        requests=(DriverRequest("nvidia", ("0", "1")),),
        units=units,
    )
