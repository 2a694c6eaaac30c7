"""The steps in the row of a workspace tell which segments differ from an earlier version, or that all may."""

from diglot.storage.segment_steps import MOST_IN_A_STEP, NO_STEPS, STEPS_KEPT, add_step, find_changed


def test_steps_add_up() -> None:
    """Whoever knows an earlier version learns all that changed since; of others nothing is known."""
    steps = add_step(add_step(NO_STEPS, 17, 23, [5, 4]), 23, 31, [4, 9])
    assert steps == "17:4,5 23:4,9 31"
    assert find_changed(steps, 17, 31) == frozenset({4, 5, 9})
    assert find_changed(steps, 23, 31) == frozenset({4, 9})
    assert find_changed(steps, 99, 31) is None
    assert find_changed(NO_STEPS, 17, 31) is None
    assert find_changed(add_step(NO_STEPS, 17, 18, []), 17, 18) == frozenset()


def test_steps_to_another_version_tell_nothing() -> None:
    """A version that was made without steps, as an earlier Diglot does, breaks them off."""
    steps = add_step(NO_STEPS, 17, 23, [5])
    assert find_changed(steps, 17, 24) is None
    later = add_step(steps, 24, 31, [6])
    assert find_changed(later, 17, 31) is None
    assert find_changed(later, 24, 31) == frozenset({6})


def test_few_steps_are_kept() -> None:
    """The oldest step goes, and a step of many segments takes all before it along."""
    steps = NO_STEPS
    for version in range(STEPS_KEPT + 1):
        steps = add_step(steps, version, version + 1, [version])
    assert find_changed(steps, 0, STEPS_KEPT + 1) is None
    assert find_changed(steps, 1, STEPS_KEPT + 1) == frozenset(range(1, STEPS_KEPT + 1))
    assert add_step(steps, STEPS_KEPT + 1, 50, range(MOST_IN_A_STEP + 1)) == NO_STEPS
