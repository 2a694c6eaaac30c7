"""Which paths may go to an upstream: none that it could take for one of ours.

An upstream may normalise what Diglot does not. A path is passed on only when no reading of it that is known
of servers (decoded again, dots resolved, case and compatibility forms folded, parameters or an extension
cut off) is a path of Diglot's; else two stores would answer for one thing.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

# A path as RFC 3986 writes it: each percent sign begins an escape.
_WRITTEN: Final = re.compile(rb"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+")
_SEPARATOR: Final = re.compile(r"[/\\]")
_QUERY: Final = re.compile(r"[?#]")
# Escapes within escapes, beyond which nobody means well.
_MOST_DECODINGS: Final = 4
_PARAMETER: Final = None

Shape = Sequence[str | None]


class Owned:
    """The paths of Diglot: the shapes of its routes, in which None stands for a parameter."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._root: dict[Any, Any] = {}
        for shape in shapes:
            node = self._root
            for part in shape:
                node = node.setdefault(part if part is None else part.casefold(), {})
            node[""] = True  # no part of a path is empty

    def has(self, parts: Sequence[str]) -> bool:
        """Tell whether these parts, folded, are a path of Diglot's."""
        nodes = [self._root]
        for part in parts:
            nodes = [node[key] for node in nodes for key in (part, _PARAMETER) if key in node]
        return any("" in node for node in nodes)


def may_leave(raw: bytes, owned: Owned) -> bool:
    """Tell whether a path, as it stands in the request, may go to an upstream."""
    if _WRITTEN.fullmatch(raw) is None:
        return False
    text = raw.decode("ascii")
    for _ in range(_MOST_DECODINGS):
        if any(parts is None or owned.has(parts) for parts in _readings(text)):
            return False
        try:
            decoded = unquote(text, errors="strict")
        except UnicodeDecodeError:
            return False
        if decoded == text:
            return True
        text = decoded
    return False


def _readings(text: str) -> Iterator[list[str] | None]:
    """Yield what servers make of a path; None for what no client means to write."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    for whole in (folded, _QUERY.split(folded, maxsplit=1)[0]):
        parts = _parts(whole)
        yield parts
        if parts:
            *before, last = parts
            yield [*before, last.rpartition(".")[0].rstrip(". ") or last]


def _parts(folded: str) -> list[str] | None:
    parts = []
    for written in _SEPARATOR.split(folded):
        if any(unicodedata.category(character) == "Cc" for character in written):
            return None
        part = written.partition(";")[0].strip()
        if part and not part.strip(". "):
            return None
        parts.append("".join(one for one in part if unicodedata.category(one) != "Cf").rstrip(". "))
    return [part for part in parts if part]
