"""Limits of a workspace: how many rows of each kind it may have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    """The largest number of rows of each kind in one workspace; 0 for no limit.

    Each limited kind costs others something: segments and rules are compiled and evaluated by every write of
    contacts, static lists are read by it, webhooks multiply its deliveries, and each key has an allowance of
    requests. `rules` counts the rules of all segments, including those behind dynamic lists; `keys` counts
    the keys that still work.
    """

    segments: int = 2_000
    rules: int = 20_000
    lists: int = 10_000
    keys: int = 100
    webhooks: int = 100
    contacts: int = 0


DEFAULT_LIMITS = WorkspaceLimits()
