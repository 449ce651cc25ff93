"""What goes into one command, and what must not be torn apart."""

from __future__ import annotations

from swarmlet.controllers.work.batch import ATOMIC_MAX, Batch, Ticket
from swarmlet.controllers.work.reconciler import Reconciliation
from swarmlet.store.commands import Key, Outcome, Put, Verdict

DONE = Outcome(verdict=Verdict.DONE)
REFUSED = Outcome(verdict=Verdict.CONFLICT)


def ticket(name: str) -> Ticket:
    return Ticket("test", Key("pods", "default", name))


def writing(*names: str, atomic: bool = False) -> Reconciliation:
    puts = tuple(Put(Key("pods", "default", name), b"{}") for name in names)
    return Reconciliation(puts, atomic=atomic)


def test_what_stands_for_itself_shares_a_command_and_a_whole_has_its_own() -> None:
    batch = Batch()
    for name, atomic in (("a", False), ("b", True), ("c", False), ("d", True)):
        assert batch.add(ticket(name), writing(name, f"{name}2", atomic=atomic))
    pooled = [[operation.key.name for operation in command] for command in batch.commands()]
    wholes = [[operation.key.name for operation in command] for command in batch.atomic_commands()]
    assert pooled == [["a", "a2", "c", "c2"]]
    assert wholes == [["b", "b2"], ["d", "d2"]]


def test_outcomes_find_their_reconciliation_whatever_command_they_went_in() -> None:
    batch = Batch()
    batch.add(ticket("whole"), writing("b", "b2", atomic=True))
    batch.add(ticket("plain"), writing("a"))
    batch.add(ticket("idle"), Reconciliation(atomic=True))
    outcomes = {each.key.name: DONE for each in batch.operations} | {"b2": REFUSED}
    results = batch.results([outcomes[each.key.name] for each in batch.operations])
    assert {who.key.name: failed for who, _, failed in results} == {"plain": [], "whole": [REFUSED], "idle": []}


def test_two_that_change_the_same_object_do_not_go_together() -> None:
    batch = Batch()
    assert batch.add(ticket("one"), writing("a", atomic=True))
    assert not batch.add(ticket("two"), writing("a"))
    assert not batch.is_full


def test_there_are_only_so_many_wholes() -> None:
    batch = Batch()
    added = [batch.add(ticket(str(n)), writing(str(n), atomic=True)) for n in range(ATOMIC_MAX + 1)]
    assert added == [True] * ATOMIC_MAX + [False]
    assert batch.is_full
