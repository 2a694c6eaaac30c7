"""What may be there of an unanswered write: nothing, all, or the first contacts of a write in parts."""

from collections.abc import Sequence
from random import Random

import pytest

from support.load_workers.contacts import delete_many, import_contacts, update_many
from support.load_workers.worker import EVENT, Action, Actor, Facts, Step, visible_facts

SIZE = 10
LIST = ("list", "ada-list-1")


def _actor() -> Actor:
    """Return a client with contacts, all on a list."""
    actor = Actor("ada", Random(1), SIZE, SIZE, SIZE)
    step = import_contacts(actor)
    assert step is not None
    emails = frozenset(step.emails)
    actor.facts = {**step.after, LIST: emails, **{(EVENT, email): 1 for email in emails}}
    actor.ids = {fact: fact[1] for fact in actor.facts}
    return actor


def _pending(action: Action) -> tuple[Actor, Step]:
    actor = _actor()
    step = actor.pending = action(actor)
    assert step is not None
    return actor, step


def _with(actor: Actor, step: Step, places: Sequence[int]) -> Facts:
    """Return what is visible if a write reached the contacts at some places."""
    done = {step.emails[place] for place in places}
    mixed = {
        fact: value
        for fact in actor.facts
        if (value := (step.after if fact[1] in done else actor.facts).get(fact)) is not None
    }
    on_list = frozenset(name for kind, name in mixed if kind == "contact")
    return visible_facts({**mixed, LIST: on_list})


@pytest.mark.parametrize("action", [import_contacts, update_many, delete_many])
def test_the_first_contacts_may_be_done(action: Action) -> None:
    """Then they are the facts, whatever their number."""
    for count in range(SIZE + 1):
        actor, step = _pending(action)
        actual = _with(actor, step, range(count))
        assert actor.settle(actual, {}) == {0: "undone", SIZE: "done"}.get(count, "in part")
        assert visible_facts(actor.facts) == actual


@pytest.mark.parametrize("action", [import_contacts, update_many, delete_many])
@pytest.mark.parametrize("places", [[1], [0, 2], [0, 1, 2, 9], range(1, 10)])
def test_no_other_contacts_may_be_done(action: Action, places: Sequence[int]) -> None:
    """A gap is a loss."""
    actor, step = _pending(action)
    actual = _with(actor, step, places)
    with pytest.raises(AssertionError, match="expected"):
        actor.settle(actual, {})


def test_an_answered_write_is_whole() -> None:
    """The first contacts are not enough once the write was acknowledged."""
    actor, step = _pending(update_many)
    actual = _with(actor, step, range(9))
    actor.facts, actor.pending = step.after, None
    with pytest.raises(AssertionError, match="expected"):
        actor.settle(actual, {})


def test_contacts_leave_lists_with_their_part() -> None:
    """A deleted contact that is still on a list is a fault."""
    actor, step = _pending(delete_many)
    actual = _with(actor, step, range(4)) | {LIST: actor.facts[LIST]}
    with pytest.raises(AssertionError, match="list"):
        actor.settle(actual, {})
