"""How engaged a contact is, in one word: the vendor names the tiers and keeps their bounds to itself.

Each is a fifth of the scores from 0 to 100: so 82 is a champion, the one pair that the vendor's pages show.
"""

from typing import Final, Literal

Tier = Literal["champion", "hot", "warm", "neutral", "cold"]
_FROM: Final[tuple[tuple[int, Tier], ...]] = ((80, "champion"), (60, "hot"), (40, "warm"), (20, "neutral"))


def tier(score: float | None) -> Tier | None:
    """Return the tier of an engagement score; None without a score, which is nobody's to invent."""
    if score is None:
        return None
    return next((word for least, word in _FROM if score >= least), "cold")
