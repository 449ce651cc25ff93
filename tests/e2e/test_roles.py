"""Roles on real machines: they come by themselves, the dead are replaced, and a watch through a spare goes on."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.lab import Lab
from tools.lab.cluster import BIN, Cluster, Daemon, eventually

SETTINGS = {"runtime": "process", "voters_max": 3, "standbys_max": 1, "voter_replace_after_seconds": 3}
MACHINES = 5


@pytest.fixture(scope="module")
def five(machines: None) -> Iterator[Cluster]:
    with Lab("roles", count=MACHINES, subnet="10.77.31.0/24", docker=False) as lab:
        cluster = Cluster(lab, SETTINGS)
        first, *others = cluster
        first.init()
        cluster.wait_ready(1)
        for other in others:
            other.join(first)
        all_have_roles(cluster)
        server = f"https://{first.machine.address}:7600"
        cluster.kubeconfig.write_text(first.swarmlet("kubeconfig", "--server", server), encoding="utf-8")
        yield cluster


def all_have_roles(cluster: Cluster) -> None:
    """Wait until all daemons agree who the three voters, the standby and the spare are.

    One that has just started tells what it knew when it ended: the same counts, of others.
    """
    wanted = {"voter": 3, "standby": 1, "spare": 1}

    def agree() -> bool:
        told = [roles(daemon) for daemon in cluster]
        return Counter(told[0].values()) == wanted and all(each == told[0] for each in told)

    eventually(agree, 60, f"{wanted} everywhere")


def roles(daemon: Daemon) -> dict[str, str]:
    """Return name -> role of every member, as one daemon tells it; the leader is a voter."""
    nodes = daemon.status().get("nodes", [])
    return {node["name"]: "voter" if node["role"] == "leader" else node["role"] for node in nodes}


def counts(daemon: Daemon) -> dict[str, int]:
    return dict(Counter(roles(daemon).values()))


def holder(daemon: Daemon, role: str) -> str:
    """Return the name of a member with a role, "" where none has it at the moment."""
    return next((name for name, has in roles(daemon).items() if has == role), "")


def why(daemon: Daemon, name: str) -> str:
    return next(node["why"] for node in daemon.status()["nodes"] if node["name"] == name)


def kubectl(cluster: Cluster, through: Daemon) -> tuple[list[str], dict[str, str]]:
    env = dict(os.environ, HOME=str(cluster.lab.folder), KUBECONFIG=str(cluster.kubeconfig))
    return [str(BIN / "kubectl"), "--server", f"https://{through.machine.address}:7600"], env


def write(cluster: Cluster, through: Daemon, name: str) -> None:
    argv, env = kubectl(cluster, through)
    document = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}})
    through.machine.run(*argv, "create", "-f", "-", stdin=document, env=env)


@contextmanager
def watched(cluster: Cluster, through: Daemon, told: Path) -> Iterator[None]:
    """Watch ConfigMaps through one daemon; the names that it tells are written to `told`."""
    argv, env = kubectl(cluster, through)
    columns = "custom-columns=NAME:.metadata.name"
    with told.open("w", encoding="utf-8") as out:
        watch = subprocess.Popen([*argv, "get", "configmaps", "--watch", "-o", columns], stdout=out, env=env)
        try:
            yield
        finally:
            watch.terminate()
            watch.wait(10)


def feeder_of(cluster: Cluster, spare: Daemon) -> Daemon:
    """Return who feeds a spare, by the spare's log."""
    found = [line for line in spare.log.read_text(encoding="utf-8").splitlines() if '"feeder_found"' in line]
    node_id = json.loads(found[-1])["feeder"]
    return cluster[next(node["name"] for node in spare.status()["nodes"] if node["node_id"] == node_id)]


def test_roles_come_by_themselves_and_outlive_the_death_of_a_voter(five: Cluster, tmp_path: Path) -> None:
    first = next(iter(five))
    by_role = {role: five[name] for name, role in roles(first).items()}
    spare, standby = by_role["spare"], by_role["standby"]
    assert why(spare, spare.name) == "3 voters and 1 standby are enough"
    assert why(spare, standby.name) == "ready to replace one of the 3 voters"

    told = tmp_path / "watch"
    with watched(five, spare, told):
        write(five, spare, "before")
        eventually(lambda: "before" in told.read_text().split(), 20, "the watch through the spare begins")
        feeder = feeder_of(five, spare)
        victim = feeder if roles(spare)[feeder.name] == "voter" else five.leader()
        feeder.kill()
        if victim is not feeder:
            victim.kill()
        survivor = next(daemon for daemon in five if daemon.running and daemon is not spare)
        names = [f"after-{number}" for number in range(5)]
        for name in names:
            write(five, survivor, name)
        eventually(lambda: set(names) <= set(told.read_text().split()), 20, "the watch tells what came after")

    eventually(lambda: roles(spare).get(victim.name) == "spare", 30, "the dead voter is released")
    assert counts(spare)["voter"] == 3
    written = first.swarmlet if first.running else spare.swarmlet
    assert "was silent for" in written("status")


def test_a_machine_of_any_role_may_leave(five: Cluster) -> None:
    for daemon in five:
        if not daemon.running:
            daemon.start()
    all_have_roles(five)
    voter = next(daemon for daemon in five if roles(daemon)[daemon.name] == "voter")
    for role in ("spare", "standby"):
        name = eventually(lambda role=role: holder(voter, role), 20, f"there is a {role}")
        five[name].swarmlet("leave")
        eventually(lambda name=name: (now := roles(voter)) and name not in now, 20, f"{name} is gone")
    assert counts(voter) == {"voter": 3}
    other = next(name for name in roles(voter) if name != voter.name)
    five[other].swarmlet("leave")
    eventually(lambda: counts(voter) == {"voter": 2}, 20, "two voters")
