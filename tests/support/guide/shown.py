"""Compares the output of a command with its page.

Whitespace does not count, `...` stands for any omission, a time or a duration for any other, and an id or a
key for any other one, but for the same one wherever the page repeats it.
"""

import re
from typing import Final

# Parts that differ between runs: their name, and their pattern.
_VARIES: Final = {
    "key": r"(?:msk_|tm_live_|tm_test_)[0-9a-f]{8,}|whsec_[0-9A-Za-z]+|[0-9a-f]{64}",
    "id": r"seg_[0-9a-z]{26}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z",
    "duration": r"[0-9]+\.[0-9]+(?= s\b)",
}
_ANY: Final = ("time", "duration")
_LEFT_OUT: Final = "..."
_TOKEN: Final = re.compile(
    "|".join([*(rf"(?P<{name}>\b(?:{looks}))" for name, looks in _VARIES.items()), r"\.\.\.|\w+|[^\w\s]"])
)

Token = tuple[str, str]
Same = dict[str, str]


def mismatch(shown: str, printed: str, same: Same) -> str | None:
    """Describe the first difference from an output, or return None; `same` maps shown ids to real ones."""
    got = _tokens(printed)
    at, anywhere = 0, False
    for part in _parts(_tokens(shown)):
        starts = range(at, len(got) - len(part) + 1) if anywhere else [at]
        begin = next((start for start in starts if _fits(part, got[start:], same)), None)
        if begin is None:
            return f"{' '.join(text for _, text in part)!r} is not in what is printed:\n{printed}"
        at, anywhere = begin + len(part), True
    ends = at == len(got) or shown.rstrip().endswith(_LEFT_OUT)
    return None if ends else f"more is printed:\n{printed}"


def _tokens(text: str) -> list[Token]:
    return [(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(text)]


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """Split the shown output at its omissions."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token[1] == _LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _fits(part: list[Token], got: list[Token], same: Same) -> bool:
    """Return whether tokens stand for others, and record the ids that do."""
    if len(got) < len(part):
        return False
    learnt = dict(same)
    for (kind, text), (other_kind, other) in zip(part, got, strict=False):
        if kind != other_kind or (not kind and text != other):
            return False
        if kind and kind not in _ANY and learnt.setdefault(text, other) != other:
            return False
    same.update(learnt)
    return True
