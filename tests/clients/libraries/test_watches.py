"""Watches of each library go on after the daemon that serves them is killed, its machine is dead, or it has forgotten.

No event is lost; none comes twice but where a library lists anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest

from swarmlet.api import keepalive
from tests.clients.libraries.ground import LIBRARIES, SERVICE_NAME, Ground, Started, shows, watches
from tools.lab.cluster import Daemon, eventually

BEGIN_SECONDS_MAX = 20.0
END_SECONDS_MAX = 45.0
SERVERS = ("h2", "h3")
WATCHING = (*LIBRARIES, "kubernetes_informer")
BEGIN_ANEW = ("kr8s", "kubernetes_informer")
"""These tell all that is there: each time, or at the beginning in the order of a list."""
WINDOW_BYTES = 10 * 1024 * 1024
"""More than a daemon remembers of the changes of one resource."""
LARGE = 400 * 1024


class Site:
    """The ground, where h1 knows machines by the name of the cluster's API, as a site's own DNS would tell."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.hosts = ground.cluster["h1"].machine.folder / "hosts"
        self.others = self.hosts.read_text(encoding="ascii")

    def lead_to(self, *names: str) -> None:
        told = "".join(f"{self.ground.cluster[name].machine.address} {SERVICE_NAME}\n" for name in names)
        self.hosts.write_text(self.others + told, encoding="ascii")


@pytest.fixture
def site(ground: Ground) -> Iterator[Site]:
    site = Site(ground)
    yield site
    site.hosts.write_text(site.others, encoding="ascii")


class Watched:
    """Programs of some libraries that watch ConfigMaps, and what is made meanwhile."""

    def __init__(self, ground: Ground, libraries: Sequence[str], *, prefix: str) -> None:
        self.ground = ground
        self.made: list[str] = []
        self._prefix = prefix
        self._before = {name: watches(ground.cluster[name]) for name in SERVERS}
        self.programs = {each: ground.start(each, "watch", SERVICE_NAME) for each in libraries}
        eventually(self._all_hear, BEGIN_SECONDS_MAX, "each hears of what is made")

    def make(self, count: int, node: str = "h1") -> None:
        for _ in range(count):
            name = f"{self._prefix}-{len(self.made)}"
            self.ground.make(name, node)
            self.made.append(name)

    def server(self) -> Daemon:
        """Return the daemon that serves most of them."""
        now = {name: watches(self.ground.cluster[name]) - self._before[name] for name in SERVERS}
        name = max(now, key=lambda each: now[each])
        assert now[name] > 0, now
        return self.ground.cluster[name]

    def finish(self, node: str = "h1") -> None:
        """Make the last object, wait until all have heard of it, and see that nothing was lost or came twice."""
        self.ground.make("end", node)
        for library, program in self.programs.items():
            eventually(lambda each=program: not each.process.alive, END_SECONDS_MAX, f"{library} hears of the end")
            heard(library, program, self.made)
        self.ground.cluster.kubectl("-n", self.ground.namespace, "delete", "configmap", "end")

    def _all_hear(self) -> bool:
        self.make(1)
        return all(any(kind != "LISTED" for kind, _, _ in program.told("event")) for program in self.programs.values())


def heard(library: str, program: Started, made: Sequence[str]) -> None:
    events = program.told("event")
    names = [name for _, name, _ in events if name in set(made)]
    assert set(names) == set(made), (library, sorted(set(made) - set(names)))
    versions = [int(version) for kind, _, version in events if kind not in ("LISTED", "DELETED")]
    if library not in BEGIN_ANEW and "410" not in program.told("again"):
        for before, after in itertools.pairwise(versions):
            assert before < after, (library, program.told("again"), before, after)


@pytest.mark.parametrize(
    "libraries",
    [
        pytest.param(("kubernetes", "lightkube"), id="two"),
        pytest.param(
            WATCHING,
            id="all",
            marks=[pytest.mark.long_clients, *(shows(each, "watch that outlives its daemon") for each in LIBRARIES)],
        ),
    ],
)
def test_a_watch_goes_on_at_another_daemon(site: Site, libraries: Sequence[str]) -> None:
    site.lead_to(*SERVERS)
    watched = Watched(site.ground, libraries, prefix=f"killed-{len(libraries)}")
    watched.make(10)
    victim = watched.server()
    victim.kill()
    watched.make(20)
    victim.start()
    site.ground.cluster.wait_ready(3)
    watched.make(5)
    watched.finish()
    assert any(program.told("again") for program in watched.programs.values())


@pytest.mark.long_clients
@shows("kubernetes", "watch: 410, and a new list")
@shows("kubernetes_asyncio", "watch: 410, and a new list")
@shows("lightkube", "watch: 410, and a new list")
def test_who_was_away_for_too_long_lists_anew(site: Site) -> None:
    site.lead_to("h2")
    watched = Watched(site.ground, WATCHING, prefix="away")
    site.ground.cluster["h2"].kill()
    for number in range(WINDOW_BYTES // LARGE):
        site.ground.make("large", value=f"{number}" + "x" * LARGE)
    watched.make(5)
    site.lead_to("h3")
    watched.finish()
    for library in ("kubernetes", "kubernetes_asyncio", "kubernetes_informer", "lightkube"):
        assert "410" in watched.programs[library].told("again")


@pytest.mark.long_clients
@shows("kubernetes", "watch that outlives its machine")
@shows("kubernetes_asyncio", "watch that outlives its machine")
def test_a_watch_outlives_the_machine_that_serves_it_and_a_daemon_the_machine_that_watches(site: Site) -> None:
    site.lead_to(*SERVERS)
    watched = Watched(site.ground, ("kubernetes", "kubernetes_asyncio"), prefix="dead")
    victim, home = watched.server(), site.ground.cluster["h1"]
    before = watches(home)
    site.ground.start("lightkube", "watch", home.machine.address, node=victim.name)
    eventually(lambda: watches(home) > before, BEGIN_SECONDS_MAX, "the victim watches")
    victim.machine.power_off()
    watched.make(20)
    watched.finish()
    eventually(lambda: watches(home) <= before, keepalive.GONE_SECONDS + 30, "the dead machine's watch is ended")
