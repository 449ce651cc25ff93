"""One cluster of three machines serves the end-to-end tests of one worker: each leaves it as it found it."""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterator

import pytest

from tools.lab import Lab
from tools.lab.cluster import Cluster

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SUBNETS_APART = 10
LAB = os.environ.get("LAB_NAME", "e2e") + (str(WORKER) if WORKER else "")
_first = ipaddress.IPv4Network(os.environ.get("LAB_SUBNET", "10.77.1.0/24"))
SUBNET = f"{_first.network_address + WORKER * SUBNETS_APART * _first.num_addresses}/{_first.prefixlen}"
"""Each worker has a lab and a network of its own, and so has everybody who runs these tests on one machine."""

SETTINGS = {
    "usage_seconds": 2,
    "autoscaling": {"sync_seconds": 2},
    "rebalance": {"enabled": False, "settle_seconds": 2, "minimum_age_seconds": 2, "pause_seconds": 0.5},
}
"""So that a test of autoscaling or rebalancing need not wait for minutes, and no other sees its Pods move."""

NEEDED = ("dockerd", "ip", "nsenter", "nft", "ebtables-restore", "busybox")


@pytest.fixture(scope="session")
def machines() -> None:
    """Skip, or fail in CI, where no lab can be made."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if os.geteuid() or missing:
        reason = f"needs root and {', '.join(NEEDED)}" + (f"; missing: {', '.join(missing)}" if missing else "")
        if os.environ.get("CI") == "true":
            pytest.fail(f"the end-to-end tests may not be skipped in CI: {reason}")
        pytest.skip(reason)


@pytest.fixture(scope="session")
def three_machines(machines: None) -> Iterator[Cluster]:
    with Lab(LAB, count=3, subnet=SUBNET) as lab:
        cluster = Cluster(lab, SETTINGS)
        cluster.form()
        yield cluster


@pytest.fixture
def cluster(three_machines: Cluster) -> Iterator[Cluster]:
    """The cluster; afterwards all machines are on, all daemons run and the network is whole."""
    yield three_machines
    three_machines.lab.heal()
    for daemon in three_machines:
        if not daemon.machine.on:
            daemon.machine.power_on()
            daemon.start()
        elif not daemon.running:
            daemon.start()
    three_machines.wait_ready(3)
