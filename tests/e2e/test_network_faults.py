"""Everybody reaches everything, before and soon after each of the faults that machines and strangers bring.

`make network-faults MACHINES=5` runs all of it on so many machines; `make test` on three, and once round on five.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.connectivity import MEMBERS, NAME, POD, Connectivity, told
from tests.machines import LAB, SETTINGS, SUBNET
from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

pytestmark = pytest.mark.alone

NAMESPACE = "faults"
MACHINES = int(os.environ.get("NETWORK_FAULTS_MACHINES", "0"))
"""How many machines of its own it is to have; 0: the session's three."""
FIVE_MACHINES_SUBNET = os.environ.get("LAB_SUBNET", "10.77.67.0/24")

BEGIN_SECONDS_MAX = 60.0
POD_SECONDS_MAX = 10.0
"""Until another Pod has taken the place of one that ended: as soon as its image starts, and its probe says so."""
RESET_SECONDS_MAX = 15.0
NODE_LOSS_SECONDS_MAX = 20.0
"""A node is taken for dead after 5 s; its Pods are no endpoints from then on."""
BOOT_SECONDS_MAX = 60.0
DAEMON_SECONDS_MAX = 30.0
ENGINE_SECONDS_MAX = 60.0
"""With its containers, which end with a Docker Engine that is not told to let them live."""
HEAL_SECONDS_MAX = 20.0
MEND_SECONDS_MAX = 10.0


@pytest.fixture(scope="module")
def machines_alike(request: pytest.FixtureRequest, machines: None) -> Iterator[Cluster]:
    """The session's cluster, or one of as many machines as were asked for."""
    if not MACHINES:
        yield request.getfixturevalue("three_machines")
        return
    with Lab(f"{LAB}n", count=MACHINES, subnet=SUBNET) as lab:
        cluster = Cluster(lab, SETTINGS)
        cluster.form()
        yield cluster


@pytest.fixture(scope="module")
def net(machines_alike: Cluster) -> Iterator[Connectivity]:
    """A Pod on each machine that reaches all others."""
    net = Connectivity(machines_alike, NAMESPACE)
    net.apply()
    net.wait_whole(BEGIN_SECONDS_MAX)
    yield net
    net.delete()


@pytest.fixture
def faulty(machines_alike: Cluster, net: Connectivity) -> Iterator[Cluster]:
    """The cluster, whole; and afterwards again."""
    net.wait_whole(HEAL_SECONDS_MAX)
    yield machines_alike
    restore(machines_alike)


def restore(cluster: Cluster) -> None:
    """Let all machines be on, all daemons run and the network be whole."""
    cluster.lab.heal()
    for daemon in cluster:
        if not daemon.machine.on:
            daemon.machine.power_on()
        if not daemon.running:
            daemon.start()
    cluster.wait_ready(min(len(cluster.daemons), 3))


def whole(net: Connectivity, what: str, seconds: float, *, nodes: list[str] | None = None) -> None:
    """Wait until everybody reaches everything, and tell how long it took."""
    print(f"{what}: whole after {net.wait_whole(seconds, nodes=nodes or []):.1f} s, of {seconds:g} at most")


def test_a_pod_that_ends_leaves_nobody_hanging_and_its_successor_is_reached(faulty: Cluster, net: Connectivity) -> None:
    picture = net.look()
    (ended,) = picture.only({"h2"}).peers
    with net.conversation(picture, "h1", "h2") as broken, net.conversation(picture, "h1", "h3") as other:
        silence = ("nsenter", "-t", str(ended.process), "-n", "ip", "link", "set", "eth0", "down")
        faulty["h2"].machine.run(*silence)  # it says no goodbye: what is left of its connections would hang
        faulty.kubectl("delete", "pod", ended.name, "-n", NAMESPACE, "--wait=false")
        assert broken.outcome(RESET_SECONDS_MAX) == "Connection reset by peer"
        whole(net, "a Pod ended", POD_SECONDS_MAX)
        assert other.goes_on


def test_without_a_node_the_others_are_whole_and_with_it_all(faulty: Cluster, net: Connectivity) -> None:
    picture = net.look()
    lost = faulty.followers()[-1]
    kept = [each.name for each in faulty if each is not lost]
    with net.conversation(picture, kept[0], kept[1]) as other:
        lost.machine.power_off()
        whole(net, "a node lost", NODE_LOSS_SECONDS_MAX, nodes=kept)
        assert other.goes_on
    lost.machine.power_on()
    lost.start()
    whole(net, "a node back", BOOT_SECONDS_MAX)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_traffic_goes_on_while_a_daemon_is_away_and_names_are_back_with_it(
    faulty: Cluster, net: Connectivity, role: str
) -> None:
    picture = net.look()
    victim = faulty.leader() if role == "leader" else faulty.followers()[0]
    others = [each.name for each in faulty if each is not victim]
    with (
        net.conversation(picture, victim.name, others[0]) as outwards,
        net.conversation(picture, others[0], victim.name) as inwards,
    ):
        victim.kill()
        deaf = f"Pod on {victim.name}"
        away = [each for each in net.wrong(picture) if each.question.what != MEMBERS]
        assert {(each.who, each.question.what) for each in away} == {(deaf, NAME)}
        if role == "leader":
            eventually(lambda: faulty.leader() is not victim, DAEMON_SECONDS_MAX, "another leader")
            away = net.wrong(picture)  # its own Pod may be told not ready by now
            assert told(each for each in away if each.who != deaf and each.question.what != MEMBERS) == ""
        victim.start()
        whole(net, f"the daemon of a {role} killed and started", DAEMON_SECONDS_MAX)
        assert outwards.goes_on
        assert inwards.goes_on


def test_each_side_of_a_partition_keeps_what_it_can_reach(faulty: Cluster, net: Connectivity) -> None:
    picture = net.look()
    alone = faulty.followers()[-1].name
    others = [each.name for each in faulty if each.name != alone]
    with net.conversation(picture, others[0], others[1]) as among_others:
        faulty.lab.partition([alone], others)
        whole(net, "a partition, its greater side", NODE_LOSS_SECONDS_MAX, nodes=others)
        assert told(each for each in net.wrong(picture.only({alone})) if each.question.what == POD) == ""
        assert among_others.goes_on
        faulty.lab.heal()
        whole(net, "a partition healed", HEAL_SECONDS_MAX)


def test_rules_that_a_stranger_flushed_are_back_and_a_docker_that_restarts_is_whole(
    faulty: Cluster, net: Connectivity
) -> None:
    picture, victim = net.look(), faulty["h3"]
    with net.conversation(picture, "h2", "h3") as inwards:  # one that the victim itself translates may meet its end
        victim.machine.run("nft", "flush", "ruleset")
        whole(net, "all rules flushed", MEND_SECONDS_MAX)
        assert inwards.goes_on
    victim.machine.stop_dockerd()
    victim.machine.start_dockerd()  # which brings back its own rules too, that were flushed
    whole(net, "Docker restarted", ENGINE_SECONDS_MAX)


def test_a_bridge_that_is_gone_is_back_with_its_pods_even_if_the_daemon_was_away(
    faulty: Cluster, net: Connectivity
) -> None:
    victim = faulty["h3"]
    victim.machine.run("ip", "link", "del", "swl0")
    whole(net, "the bridge deleted", MEND_SECONDS_MAX)
    victim.kill()
    victim.machine.run("ip", "link", "del", "swl0")
    victim.start()
    whole(net, "the bridge deleted without the daemon", DAEMON_SECONDS_MAX)


def test_five_machines_are_whole_after_a_loss_and_a_partition_together(machines: None) -> None:
    with Lab(f"{LAB}v", count=5, subnet=FIVE_MACHINES_SUBNET) as lab:
        cluster = Cluster(lab, SETTINGS)
        cluster.form()
        net = Connectivity(cluster, NAMESPACE)
        net.apply()
        whole(net, "five machines", BEGIN_SECONDS_MAX)
        lost, alone, *others = sorted(cluster, key=lambda each: each is cluster.leader())
        majority = [each.name for each in others]
        lost.machine.power_off()
        lab.partition([alone.name], majority)
        whole(net, "of five one lost and one alone", NODE_LOSS_SECONDS_MAX, nodes=majority)
        lab.heal()
        lost.machine.power_on()
        lost.start()
        whole(net, "five machines again", BOOT_SECONDS_MAX)
