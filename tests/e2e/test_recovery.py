"""The nights that docs/recovery.md is for, on three machines: all are lost, or all but one."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.documents import deployment
from tests.e2e.test_promises import CONFIG_MAPS, containers, write
from tools.lab import Lab
from tools.lab.cluster import Cluster, Daemon, eventually

PASSPHRASE = "correct horse battery staple"
BEFORE_BACKUP, AFTER_BACKUP = 60, 30
UP_SECONDS_MAX = 30


@pytest.fixture(scope="module")
def lost(machines: None) -> Iterator[Cluster]:
    """A cluster of its own: these tests destroy it."""
    with Lab("recov", count=3, subnet="10.77.32.0/24") as lab:
        cluster = Cluster(lab)
        cluster.form()
        yield cluster


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMLET_BACKUP_PASSPHRASE", PASSPHRASE)


@pytest.fixture
def web(lost: Cluster) -> str:
    lost.kubectl("apply", "-f", "-", stdin=deployment("web", 4))
    lost.wait_running("app=web", 4)
    return "app=web"


@contextmanager
def writing(daemon: Daemon, prefix: str) -> Iterator[list[str]]:
    """Write without a pause; the list holds what was acknowledged, as it grows."""
    acknowledged: list[str] = []
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1
            if write(daemon, f"{prefix}-{number}", str(number)):
                acknowledged.append(f"{prefix}-{number}")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield acknowledged
    finally:
        done.set()
        thread.join()


def config_maps(daemon: Daemon) -> set[str]:
    return {item["metadata"]["name"] for item in daemon.door().json("GET", CONFIG_MAPS)["items"]}


def config(daemon: Daemon) -> tuple[str, str]:
    return "--config", str(daemon.config)


def start(daemon: Daemon) -> None:
    daemon.start()
    eventually(lambda: daemon.status().get("healthy"), UP_SECONDS_MAX, f"{daemon.name} is healthy")


def wait_cut_off(daemon: Daemon) -> None:
    """Start a former member's daemon, and wait until it has found out and ended."""
    daemon.start()
    eventually(lambda: not daemon.running, UP_SECONDS_MAX, f"{daemon.name} ends")
    line = daemon.tail(1)
    assert line.startswith("error: the cluster was recovered without this machine at 20"), line
    assert f"its data is set aside in {daemon.data_dir}/former-" in line
    assert line.endswith("to bring it back, `swarmlet join` anew")


def test_a_backup_under_writes_brings_everything_back_after_all_was_destroyed(lost: Cluster, web: str) -> None:
    file = lost.lab.folder / "night.age"
    with writing(lost["h2"], "w") as acknowledged:
        eventually(lambda: len(acknowledged) >= BEFORE_BACKUP, 30, "writes")
        before = list(acknowledged)
        printed = lost["h3"].swarmlet("backup", str(file))
        after = len(acknowledged)
        eventually(lambda: len(acknowledged) >= after + AFTER_BACKUP, 30, "writes go on")
    assert "read back and whole" in printed

    destroy(lost)
    shown = lost["h3"].swarmlet("restore", str(file), "--dry-run", *config(lost["h3"]))
    assert "1 deployments" in shown
    token = restored(lost["h3"], file)
    start(lost["h3"])
    for daemon in (lost["h1"], lost["h2"]):
        joined(daemon, lost["h3"], token)
    lost.wait_ready(3)

    assert set(before) <= config_maps(lost["h1"])
    lost.wait_running(web, 4)
    assert {pod["spec"]["nodeName"] for pod in lost.pods(web)} <= {"h1", "h2", "h3"}


def destroy(cluster: Cluster) -> None:
    for daemon in cluster:
        daemon.machine.power_off()
        shutil.rmtree(daemon.data_dir)
    for daemon in cluster:
        daemon.machine.power_on()


def restored(daemon: Daemon, file: Path) -> str:
    """Restore there; return the token that it printed."""
    printed = daemon.swarmlet("restore", str(file), *config(daemon))
    assert f'This machine is now the cluster\'s only node, "{daemon.name}"' in printed
    return printed.partition("--token ")[2].split()[0]


def joined(daemon: Daemon, peer: Daemon, token: str) -> None:
    daemon.swarmlet("join", f"{peer.machine.address}:7600", *config(daemon), "--no-start", token=token)
    daemon.start()


def test_a_survivor_goes_on_alone_and_former_members_cannot(lost: Cluster, web: str) -> None:
    survivor, dead = lost["h2"], [lost["h1"], lost["h3"]]
    with writing(survivor, "s") as acknowledged:
        eventually(lambda: len(acknowledged) >= BEFORE_BACKUP, 30, "writes")
        for daemon in dead:
            daemon.machine.power_off()
    assert not write(survivor, "too-few", "1")
    running = survivor.swarmlet("recover", *config(survivor), check=False)
    assert "another swarmlet daemon uses this data folder; stop it first" in running
    here = {each["Id"] for each in containers(survivor)}

    survivor.kill()
    shown = survivor.swarmlet("recover", *config(survivor), check=False)
    assert all(f"{daemon.name} " in shown for daemon in dead)
    assert "Nothing was changed" in shown
    survivor.swarmlet("recover", "--force-new-cluster", "--yes", *config(survivor))
    start(survivor)

    assert set(acknowledged) <= config_maps(survivor)
    lost.wait_running(web, 4)
    assert here <= {each["Id"] for each in containers(survivor)}, "what ran is adopted, not begun anew"
    assert [node["name"] for node in survivor.status()["nodes"]] == ["h2"]

    for daemon in dead:
        daemon.machine.power_on()
        wait_cut_off(daemon)
        assert containers(daemon) == []
    assert write(survivor, "meanwhile", "1")
    for daemon in dead:
        daemon.join(survivor)
    lost.wait_ready(3)
    assert json.loads(lost.kubectl("get", "configmap", "meanwhile", "-o", "json"))["data"] == {"v": "1"}


def test_two_former_members_together_cannot_go_on_without_the_recovered_one(lost: Cluster) -> None:
    """They are a quorum of the old cluster, and the survivor tells them before they have elected anybody."""
    survivor, others = lost["h1"], [lost["h2"], lost["h3"]]
    for daemon in lost:
        daemon.kill()
    survivor.swarmlet("recover", "--force-new-cluster", "--yes", *config(survivor))
    start(survivor)
    for daemon in others:
        daemon.start()
    for daemon in others:
        eventually(lambda daemon=daemon: not daemon.running, UP_SECONDS_MAX, f"{daemon.name} ends")
        assert "the cluster was recovered without this machine" in daemon.tail(1)
    assert [path.name[:7] for path in others[0].data_dir.iterdir()] == ["former-"]
