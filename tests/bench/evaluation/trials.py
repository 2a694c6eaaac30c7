"""CPU time of several sides of one piece of work, in turn: the lowest of some rounds, with equal results."""

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

# Prepares a round and returns its work, whose result is compared.
Trial = Callable[[int], Callable[[], Any]]


class DifferentResultsError(RuntimeError):
    """Two sides of a comparison found different results."""


def compare(
    what: str, trials: Mapping[str, Trial], rounds: int, normalize: Callable[[Any], Any] = lambda found: found
) -> dict[str, float]:
    """Return the lowest CPU seconds of each side; a trial is given the number of its round.

    Raise `DifferentResultsError` if a round of one side has another result than that of the first side.
    """
    lowest: dict[str, float] = {}
    for turn in range(rounds):
        results: dict[str, Any] = {}
        for name in list(trials)[:: -1 if turn % 2 else 1]:
            work = trials[name](turn)
            gc.disable()
            began = time.thread_time()
            found = work()
            spent = time.thread_time() - began
            gc.enable()
            lowest[name] = min(lowest.get(name, spent), spent)
            results[name] = normalize(found)
        first, *others = results
        for other in others:
            if results[other] != results[first]:
                raise DifferentResultsError(f"{what}: {other} differs from {first}")
    return lowest
