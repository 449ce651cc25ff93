"""Scenarios: text files of commands, each followed by what came of it.

A file holds scenarios, each under a line `=== Name`. A line that begins with `>` is a command, the lines up to the next
command, comment (`#`) or empty line are its expected output. `pytest tests/raft --regenerate-scenarios` writes the
output anew, to be read as a diff. Commands are the `do_*` methods of `Interpreter`; every step runs `validate()`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from swarmlet import errors
from swarmlet.raft.config import RaftConfig
from swarmlet.raft.messages import (
    ChangeKind,
    Entry,
    HardState,
    Membership,
    MembershipChange,
    Message,
    MessageKind,
    Ready,
    Role,
    SnapshotMeta,
)

from . import wording
from .network import Disk, Member, Network, born

DEFAULT = RaftConfig(election_timeout_ticks=10, heartbeat_ticks=2)


@dataclasses.dataclass(slots=True)
class Command:
    line: str
    expected: list[str]


@dataclasses.dataclass(slots=True)
class Scenario:
    name: str
    parts: list[Command | str]

    def run(self) -> list[tuple[Command, list[str]]]:
        interpreter = Interpreter()
        commands = [part for part in self.parts if isinstance(part, Command)]
        return [(command, list(interpreter.run(command.line))) for command in commands]


def parse(path: Path) -> list[Scenario]:
    scenarios: list[Scenario] = []
    command: Command | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("=== "):
            scenarios.append(Scenario(line[4:], []))
            command = None
        elif line.startswith(">"):
            command = Command(line, [])
            scenarios[-1].parts.append(command)
        elif command is None or not line or line.startswith("#"):
            scenarios[-1].parts.append(line)
            command = None
        else:
            command.expected.append(line)
    return scenarios


def regenerate(path: Path) -> None:
    lines: list[str] = []
    for scenario in parse(path):
        outputs = {id(command): output for command, output in scenario.run()}
        lines.append(f"=== {scenario.name}")
        for part in scenario.parts:
            lines += [part] if isinstance(part, str) else [part.line, *outputs[id(part)]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Interpreter:
    """A network of cores, and the words to drive it."""

    def __init__(self) -> None:
        self._network = Network(self._on_work)
        self._config = DEFAULT
        self._lines: list[str] = []
        self._standing: dict[str, str] = {}
        self._voters: tuple[str, ...] = ()

    def run(self, line: str) -> Iterator[str]:
        name, *words = line.removeprefix(">").split()
        positional = [word for word in words if "=" not in word]
        named = dict(word.split("=", 1) for word in words if "=" in word)
        self._lines = []
        try:
            getattr(self, "do_" + name.replace("-", "_"))(*positional, **named)
        except errors.SwarmletError as error:
            self._lines.append(f"{type(error).__name__}: {error}")
        self._tell_standing()
        yield from self._lines

    def _on_work(self, member: Member, ready: Ready) -> None:
        self._tell_standing()
        self._lines += wording.of_work(member.node_id, ready)

    def _tell_standing(self) -> None:
        for node, member in self._network.members.items():
            standing = wording.of_standing(member)
            if self._standing.get(node) != standing:
                self._standing[node] = standing
                self._lines.append(f"{node} {standing}")

    def _some(self, names: Iterable[str]) -> list[Member]:
        chosen = list(names)
        everybody = list(self._network.members.values())
        return everybody if chosen in ([], ["all"]) else [self._network.members[name] for name in chosen]

    def _meet(self, node: str, disk: Disk) -> None:
        member = self._network.add(node, self._config, disk, random.Random(node))
        self._standing[node] = wording.of_standing(member)

    # Setting up.

    def do_config(self, **settings: str) -> None:
        """config election_timeout_ticks=10 pre_vote=no: for the nodes that are made after it."""
        words = {"yes": True, "no": False}
        typed = {key: words[value] if value in words else int(value) for key, value in settings.items()}
        self._config = dataclasses.replace(self._config, **typed)

    def do_nodes(self, *voters: str, learners: str = "") -> None:
        """nodes n1 n2 n3 learners=n4: the founders, each with the log 1/1 and nothing after it."""
        self._voters = voters
        for node in (*voters, *wording.names(learners)):
            self._meet(node, born(voters, wording.names(learners)))

    def do_spare(self, *nodes: str) -> None:
        """spare n4: a node with an empty disk, which belongs to nothing yet."""
        for node in nodes:
            self._meet(node, Disk())

    def do_disk(self, node: str, terms: str = "", term: str = "0", vote: str = "", commit: str = "1") -> None:
        """disk n1 terms=1,2 term=2 vote=n2 commit=1: a node with this on disk; entries begin at index 2."""
        disk = born(self._voters or (node,))
        entries = [Entry(index, int(of)) for index, of in enumerate(wording.names(terms), start=2)]
        last_term = entries[-1].term if entries else 1
        disk.entries, disk.hard_state = entries, HardState(max(int(term), last_term), vote, int(commit))
        self._meet(node, disk)

    # The network.

    def do_cut(self, *nodes: str) -> None:
        """cut n1 n2: no messages between these two."""
        self._network.cut(*nodes)

    def do_isolate(self, *nodes: str) -> None:
        for node in nodes:
            self._network.isolate(node)

    def do_heal(self) -> None:
        self._network.cuts.clear()

    def do_settle(self) -> None:
        """Work and deliver until nothing is left to do; tell what came of it."""
        self._network.settle()

    def do_trace(self) -> None:
        """As `settle`, and tell every message."""
        self._network.settle(lambda message: self._lines.append(wording.of_message(message)))

    def do_work(self, *nodes: str) -> None:
        """Do all that is to be done on some nodes, and deliver nothing."""
        for member in self._some(nodes):
            while member.is_up and self._network.is_busy(member):
                if member.outstanding is None:
                    self._network.take(member)
                self._network.finish(member)

    def do_flight(self, **which: str) -> None:
        """Tell the messages that are under way."""
        self._lines += [wording.of_message(message) for message in self._matching(**which)]

    def do_deliver(self, **which: str) -> None:
        """deliver kind=APPEND to=n2: deliver these messages, and do nothing of what follows."""
        for message in self._matching(**which):
            self._network.under_way.remove(message)
            self._network.deliver(message)

    def do_lose(self, **which: str) -> None:
        for message in self._matching(**which):
            self._network.under_way.remove(message)
            self._network.lose(message)

    def do_double(self, **which: str) -> None:
        """Let these messages arrive once more, after all others."""
        self._network.under_way += self._matching(**which)

    def do_reverse(self) -> None:
        self._network.under_way.reverse()

    def _matching(self, kind: str = "", to: str = "", sender: str = "") -> list[Message]:
        return [
            message
            for message in self._network.under_way
            if kind in ("", message.kind.name) and to in ("", message.to) and sender in ("", message.sender)
        ]

    # What a driver does.

    def do_tick(self, node: str, ticks: str = "1") -> None:
        for _ in range(int(ticks)):
            for member in self._some([node]):
                member.core.tick()
                member.core.validate()

    def do_timeout(self, *nodes: str) -> None:
        """timeout n1: let ticks pass until its election timeout has run out."""
        for member in self._some(nodes):
            election = member.core._election
            member.core.tick()
            while election._elapsed_ticks > 0:
                member.core.tick()
            member.core.validate()

    def do_pass(self, ticks: str) -> None:
        """pass 10: let everybody tick so often, and settle after each tick."""
        for _ in range(int(ticks)):
            self.do_tick("all")
            self._network.settle()

    def do_campaign(self, *nodes: str) -> None:
        for member in self._some(nodes):
            member.core.campaign()
            member.core.validate()

    def do_elect(self, node: str) -> None:
        """elect n1: as `campaign n1` and `settle`, and tell nothing but who leads."""
        self.do_campaign(node)
        self._network.settle()
        self._lines = [f"{node} {wording.of_standing(self._network.members[node])}"]
        self._standing = {name: wording.of_standing(member) for name, member in self._network.members.items()}

    def do_propose(self, node: str, *commands: str) -> None:
        core = self._network.members[node].core
        for command in commands:
            core.propose(command.encode())
            core.validate()

    def do_change(self, node: str, kind: str, other: str) -> None:
        """change n1 add-learner n4"""
        core = self._network.members[node].core
        core.propose_membership(MembershipChange(ChangeKind[kind.upper().replace("-", "_")], other))
        core.validate()

    def do_read(self, node: str, *contexts: str) -> None:
        for context in contexts:
            self._network.members[node].core.read_index(context.encode())

    def do_transfer(self, node: str, to: str) -> None:
        self._network.members[node].core.transfer_leadership(to)

    def do_unreachable(self, node: str, other: str) -> None:
        self._network.members[node].core.report_unreachable(other)

    def do_report_snapshot(self, node: str, other: str, outcome: str) -> None:
        self._network.members[node].core.report_snapshot(other, ok=outcome == "ok")

    def do_compact(self, node: str, index: str) -> None:
        self._network.members[node].compact(int(index))

    def do_crash(self, *nodes: str) -> None:
        for member in self._some(nodes):
            self._network.crash(member)

    def do_restart(self, *nodes: str) -> None:
        for member in self._some(nodes):
            member.start()

    def do_ready(self, node: str) -> None:
        """Take a Ready, tell what is in it, and do nothing of it yet."""
        member = self._network.members[node]
        if not member.core.has_ready():
            self._lines.append("nothing to do")
            return
        self._lines += wording.of_ready(self._network.take(member))

    def do_finish(self, node: str) -> None:
        """Do all of the Ready that was taken, and advance."""
        self._network.finish(self._network.members[node])

    def do_step(self, node: str, kind: str, *flags: str, **fields: str) -> None:
        """step n1 APPEND sender=n2 term=2 log_index=1 log_term=1 entries=2/2,3/2 commit=1: a message from outside."""
        numbers = {key: int(value) for key, value in fields.items() if value.isdigit()}
        entries = [Entry(*map(int, each.split("/"))) for each in wording.names(fields.get("entries", ""))]
        snapshot = None
        if "snapshot" in fields:
            index, term = map(int, fields["snapshot"].split("/"))
            voters, learners = (wording.names(fields.get(who, "")) for who in ("voters", "learners"))
            snapshot = SnapshotMeta(index, term, Membership(frozenset(voters), frozenset(learners)))
        member = self._network.members[node]
        member.core.step(
            Message(
                MessageKind[kind],
                fields["sender"],
                node,
                entries=tuple(entries),
                reject="reject" in flags,
                force="force" in flags,
                snapshot=snapshot,
                context=fields.get("context", "").encode(),
                **numbers,
            )
        )
        member.core.validate()

    # What can be asked.

    def do_status(self, *nodes: str) -> None:
        self._lines += [wording.of_status(member) for member in self._some(nodes)]

    def do_log(self, *nodes: str) -> None:
        self._lines += [f"{member.node_id} {wording.of_log(member)}" for member in self._some(nodes)]

    def do_members(self, *nodes: str) -> None:
        self._lines += [
            f"{member.node_id} {wording.of_membership(member.core.membership)}" for member in self._some(nodes)
        ]

    def do_progress(self, node: str) -> None:
        self._lines += wording.of_progress(self._network.members[node])

    def do_leader(self) -> None:
        """Tell who leads."""
        leaders = [member for member in self._network.members.values() if member.core.role is Role.LEADER]
        self._lines += [f"{member.node_id} leads in term {member.core.term}" for member in leaders] or ["nobody"]
