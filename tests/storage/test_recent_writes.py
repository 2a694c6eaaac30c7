"""The writes of a moment ago, by workspace."""

from diglot.storage.sql.pool.sqlite.recent_writes import RECENT_SECONDS, RecentWrites


def test_others_are_noticed_for_a_while() -> None:
    """A workspace is not its own neighbour, and a write is forgotten after its time."""
    recent = RecentWrites()
    assert not recent.has_others(1, 0.0)
    recent.add(1, 0.0)
    assert not recent.has_others(1, 0.1)
    assert recent.has_others(2, 0.1)
    recent.add(2, 1.0)
    recent.add(1, 1.5)
    assert recent.has_others(1, 1.0 + RECENT_SECONDS)
    assert not recent.has_others(1, 1.1 + RECENT_SECONDS)
    assert recent.has_others(2, 1.1 + RECENT_SECONDS)


def test_a_write_is_recent_for_a_while() -> None:
    """Only that of the workspace itself."""
    recent = RecentWrites()
    recent.add(1, 0.0)
    assert recent.has(1, RECENT_SECONDS)
    assert not recent.has(1, RECENT_SECONDS + 0.1)
    assert not recent.has(2, 0.0)


def test_writes_without_a_workspace_count() -> None:
    """None is a key like any other."""
    recent = RecentWrites()
    recent.add(None, 0.0)
    assert recent.has_others(1, 0.5)
    assert not recent.has_others(None, 0.5)


def test_old_writes_take_no_memory() -> None:
    """Only the writes within the time are kept."""
    recent = RecentWrites()
    for workspace in range(1_000):
        recent.add(workspace, float(workspace))
    assert len(vars(recent)["_at"]) <= RECENT_SECONDS + 1
