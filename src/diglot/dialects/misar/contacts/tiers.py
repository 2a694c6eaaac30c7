"""Engagement tiers. The vendor names the tiers and does not publish their bounds.

Each tier covers a fifth of the scores from 0 to 100; the vendor's only example shows 82 as a champion.
"""

from typing import Final, Literal

Tier = Literal["champion", "hot", "warm", "neutral", "cold"]
_TIER_MINIMUMS: Final[tuple[tuple[int, Tier], ...]] = (
    (80, "champion"),
    (60, "hot"),
    (40, "warm"),
    (20, "neutral"),
)


def tier_of_score(score: float | None) -> Tier | None:
    """Return the tier of an engagement score; None without a score."""
    if score is None:
        return None
    return next((word for least, word in _TIER_MINIMUMS if score >= least), "cold")
