"""The network between simulated machines: links as TCP makes them, and the ways they are cut, slowed and broken.

A `Link` is one connection, dialled by one endpoint and accepted by another. What is sent on it arrives in order or not
at all: while a direction is cut, its frames are held (as retransmission does), and a link on which one end hears
nothing for some seconds is closed by that end; what was under way is lost with it. A `Storm` is worse than TCP: it
loses, doubles and reorders single messages, which the consensus core must bear, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarmlet.transport.dialler import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from swarmlet.transport.link import PING_SECONDS, SILENCE_SECONDS_MAX
from tests.simulation.kernel import Kernel

if TYPE_CHECKING:
    from tests.simulation.peers import SimulatedPeers

LATENCY_SECONDS_MIN, LATENCY_SECONDS_MAX = 0.000_1, 0.001
HELD_FRAMES_MAX = 5_000
GAP_SECONDS = 0.000_000_001
"""Between frames of one link: what happens at one instant happens in any order."""

Frame = tuple[object, ...]


@dataclass(frozen=True)
class Storm:
    """What befalls single messages: the chances of loss and of a double, and how late one may be, in seconds."""

    loss: float = 0.0
    double: float = 0.0
    delay_seconds_max: float = 0.0


class Network:
    """Who can reach whom, and how fast."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.endpoints: dict[str, SimulatedPeers] = {}
        """Who listens at an address now."""
        self.storm = Storm()
        self.rng = kernel.chance("network")
        self.frames = 0
        self.links: list[Link] = []
        self._cuts: dict[tuple[str, str], int] = {}
        self._slow: dict[frozenset[str], float] = {}

    # What goes wrong. Machines are named by the host part of their addresses.

    def cut(self, sender: str, to: str) -> None:
        """Let nothing pass from one machine to another until as many `mend`s."""
        self._cuts[sender, to] = self._cuts.get((sender, to), 0) + 1
        for link in tuple(self.links):
            link.watch_silence()

    def mend(self, sender: str, to: str) -> None:
        self._cuts[sender, to] -= 1
        if not self._cuts[sender, to]:
            del self._cuts[sender, to]
            for link in tuple(self.links):
                link.release()

    def reset(self, one: str, other: str) -> None:
        """Break the links between two machines; what is under way on them is lost."""
        for link in tuple(self.links):
            if {link.dialler.host, link.listener.host} == {one, other}:
                link.break_off()

    def slow(self, one: str, other: str, seconds: float) -> None:
        """Add to the latency between two machines; 0 ends it."""
        self._slow[frozenset((one, other))] = seconds

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.storm = Storm()
        self._slow.clear()
        for sender, to in tuple(self._cuts):
            self._cuts[sender, to] = 1
            self.mend(sender, to)

    # What links ask.

    def passes(self, sender: str, to: str) -> bool:
        return (sender, to) not in self._cuts

    def latency(self, one: str, other: str) -> float:
        more = self._slow.get(frozenset((one, other)), 0.0)
        return self.rng.uniform(LATENCY_SECONDS_MIN, LATENCY_SECONDS_MAX) + more * self.rng.uniform(0.5, 1.0)

    def arrived(self, endpoint: SimulatedPeers) -> None:
        """A process listens; its machine answers nothing that was meant for the one before it."""
        self.endpoints[endpoint.address] = endpoint
        for link in tuple(self.links):
            for end in (link.dialler, link.listener):
                if end.address == endpoint.address and end is not endpoint:
                    link.lose(end, silently=False)

    def gone(self, endpoint: SimulatedPeers, *, silently: bool) -> None:
        """A process ended: its machine closes its links, or, without power, says nothing."""
        if self.endpoints.get(endpoint.address) is endpoint:
            del self.endpoints[endpoint.address]
        for link in tuple(self.links):
            if endpoint in (link.dialler, link.listener):
                link.lose(endpoint, silently=silently)

    def paused(self, endpoint: SimulatedPeers) -> None:
        """A process stands still: who hears nothing of it will close the links."""
        for link in tuple(self.links):
            if endpoint in (link.dialler, link.listener):
                link.watch_silence()


class Link:
    """One connection. Each end has its own view of whether it is open."""

    def __init__(self, network: Network, dialler: SimulatedPeers, listener: SimulatedPeers) -> None:
        self.network = network
        self.dialler = dialler
        self.listener = listener
        self._open = {dialler: True, listener: True}
        self._arrives_at = {dialler: 0.0, listener: 0.0}
        self._held: dict[SimulatedPeers, list[Callable[[], None]]] = {dialler: [], listener: []}
        self._watching = False
        network.links.append(self)

    def other(self, end: SimulatedPeers) -> SimulatedPeers:
        return self.listener if end is self.dialler else self.dialler

    def is_open(self, end: SimulatedPeers) -> bool:
        return self._open[end]

    # Frames.

    def send(self, sender: SimulatedPeers, frame: Frame) -> bool:
        """Send a frame to the other end; False where it was dropped."""
        to = self.other(sender)
        if not self._open[sender] or len(self._held[to]) >= HELD_FRAMES_MAX:
            return False
        self.network.frames += 1
        self._carry(to, lambda: to.receive(self, frame))
        return True

    def send_loosely(self, sender: SimulatedPeers, frame: Frame) -> bool:
        """Send a frame through the storm, if there is one: it may be lost, doubled, or arrive out of order."""
        storm, rng = self.network.storm, self.network.rng
        if storm == Storm():
            return self.send(sender, frame)
        if not self._open[sender]:
            return False
        to = self.other(sender)
        copies = (rng.random() >= storm.loss) + (rng.random() < storm.double)
        for _ in range(copies):
            self.network.frames += 1
            delay = self.network.latency(sender.host, to.host) + rng.uniform(0, storm.delay_seconds_max)
            self.network.kernel.after(delay, lambda: self._arrive(to, lambda: to.receive(self, frame)))
        return True

    def _carry(self, to: SimulatedPeers, deliver: Callable[[], None]) -> None:
        """Let something arrive at an end after all that was sent to it before."""
        network = self.network
        soonest = network.kernel.now + network.latency(self.other(to).host, to.host)
        self._arrives_at[to] = max(self._arrives_at[to] + GAP_SECONDS, soonest)
        network.kernel.at(self._arrives_at[to], lambda: self._arrive(to, deliver))

    def _arrive(self, to: SimulatedPeers, deliver: Callable[[], None]) -> None:
        if self._held[to] or not self.network.passes(self.other(to).host, to.host):
            self._held[to].append(deliver)
        elif self._open[to]:
            to.process.post(self._deliver, to, deliver)

    def _deliver(self, to: SimulatedPeers, deliver: Callable[[], None]) -> None:
        if self._open[to]:
            deliver()

    def release(self) -> None:
        """A cut was mended: what was held arrives."""
        for to, held in self._held.items():
            if held and self.network.passes(self.other(to).host, to.host):
                self._held[to] = []
                for deliver in held:
                    self._carry(to, deliver)

    # The end.

    def close(self, end: SimulatedPeers) -> None:
        """Close one end; the other learns of it when the news arrives."""
        if not self._open[end]:
            return
        self._open[end] = False
        other = self.other(end)
        self._carry(other, lambda: self.close(other))
        self._forget()
        end.link_closed(self)

    def break_off(self) -> None:
        """Lose what is under way; both ends are told at once."""
        for end in (self.dialler, self.listener):
            end.process.post(self.close, end)
            self._held[end].clear()
        for end in (self.dialler, self.listener):
            if not end.process.alive:
                self._open[end] = False
        self._forget()

    def lose(self, end: SimulatedPeers, *, silently: bool) -> None:
        """The process of one end is gone."""
        self._open[end] = False
        other = self.other(end)
        if silently:
            self.watch_silence()
        else:
            self._carry(other, lambda: self.close(other))
        self._forget()

    def watch_silence(self) -> None:
        """See whether one end hears nothing for too long, as long as there is cause to."""
        if not self._watching and self._is_troubled:
            self._watching = True
            seconds = SILENCE_SECONDS_MAX + self.network.rng.uniform(0, PING_SECONDS)
            self.network.kernel.after(seconds, self._judge_silence)

    @property
    def _is_troubled(self) -> bool:
        return any(self._open[end] and self._is_silent(end) for end in (self.dialler, self.listener))

    def _is_silent(self, end: SimulatedPeers) -> bool:
        """Whether one end hears nothing now."""
        other = self.other(end)
        is_mute = other.process.is_paused or not other.process.alive
        return is_mute or not self.network.passes(other.host, end.host)

    def _judge_silence(self) -> None:
        self._watching = False
        for end in (self.dialler, self.listener):
            if self._open[end] and self._is_silent(end):
                end.process.post(self.close, end)
        self._forget()

    def _forget(self) -> None:
        if not any(self._open.values()) and self in self.network.links:
            self.network.links.remove(self)


class Dialler:
    """Keeps one link up: from an endpoint to the node at an address."""

    def __init__(self, endpoint: SimulatedPeers, node: str, address: str) -> None:
        self.node = node
        self.address = address
        self.link: Link | None = None
        self.wanted = True
        self._endpoint = endpoint
        self._pause = RETRY_SECONDS_MIN
        self._attempt = 0

    def dial(self) -> None:
        """Try now; where that fails, again after ever longer pauses."""
        self._attempt += 1
        endpoint, attempt = self._endpoint, self._attempt
        network = endpoint.network
        host = self.address.rpartition(":")[0]
        seconds = 2 * network.latency(endpoint.host, host)
        network.kernel.after(seconds, lambda: endpoint.process.post(self._connect, attempt))

    def again(self) -> None:
        """Dial after a pause."""
        self._attempt += 1
        attempt = self._attempt
        network = self._endpoint.network
        seconds = self._pause * network.rng.uniform(0.5, 1.0)
        network.kernel.after(seconds, lambda: self.dial() if attempt == self._attempt and self.wanted else None)

    def hurry(self) -> None:
        """The node has shown that it is there."""
        if self.link is None and self.wanted:
            self.dial()

    def _connect(self, attempt: int) -> None:
        if attempt != self._attempt or not self.wanted or self.link:
            return
        endpoint, listener = self._endpoint, self._listener()
        if listener is None:
            self._pause = min(2 * self._pause, RETRY_SECONDS_MAX)
            self.again()
            return
        self._pause = RETRY_SECONDS_MIN
        self.link = Link(endpoint.network, endpoint, listener)
        listener.process.post(listener.link_accepted, self.link)
        endpoint.link_opened(self)

    def _listener(self) -> SimulatedPeers | None:
        """Return who answers at the address, if it is the node that we want."""
        network, host = self._endpoint.network, self._endpoint.host
        listener = network.endpoints.get(self.address)
        if listener is None or listener.node_id != self.node or not listener.is_listening or listener.process.is_paused:
            return None
        both = network.passes(host, listener.host) and network.passes(listener.host, host)
        return listener if both else None
