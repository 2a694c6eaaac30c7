"""When the log of memberships is folded."""

from zoneinfo import ZoneInfo

import pytest

from diglot.membership.active_segments import Live
from diglot.membership.store import FOLD_AT, FOLD_AT_MOST, MOVED_BY_A_CHANGE, fold_at, is_long
from diglot.storage.workspaces import Locked

UTC = ZoneInfo("UTC")
FEW = Live(1, UTC, statics=frozenset({1}))
MANY = Live(1, UTC, statics=frozenset(range(1_000)))


def _locked(folded: int, unfolded: int) -> Locked:
    return Locked(1, 1, 1, 1, 1, 1, 1, 1, 0, folded, unfolded, 1, 0, 0, 1, 0, UTC, 0)


@pytest.mark.parametrize(
    ("unfolded", "moved", "expected"),
    [
        (0, 0, False),
        (FOLD_AT - 1, FOLD_AT * MOVED_BY_A_CHANGE - 1, False),
        (FOLD_AT, FOLD_AT, True),
        (1, FOLD_AT * MOVED_BY_A_CHANGE, True),
    ],
)
def test_a_log_is_long(unfolded: int, moved: int, expected: bool) -> None:
    """By the changes that a new process reads, or by the contacts that each process holds."""
    assert is_long(FEW, _locked(7, unfolded), 7 + moved) is expected


def test_how_long_a_log_may_grow() -> None:
    """More segments and more contacts make foldings seldom, up to what is read in seconds."""
    assert fold_at(FEW, 1) == FOLD_AT
    assert fold_at(MANY, 1) == 256_000
    assert fold_at(MANY, 1 << 20) == FOLD_AT_MOST
