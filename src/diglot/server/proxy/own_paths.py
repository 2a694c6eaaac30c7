"""Decides which paths may be forwarded: none that an upstream could take for a path of Diglot.

An upstream may normalize paths that Diglot does not. A path is forwarded only if no reading of it that
servers are known to use (decoded again, dots resolved, case and compatibility forms folded, parameters or an
extension removed) is a path of Diglot, because two stores would then answer for the same resource.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

# A path in RFC 3986 syntax: each percent sign begins an escape.
_PATH_PATTERN: Final = re.compile(rb"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+")
_SEPARATOR: Final = re.compile(r"[/\\]")
_QUERY_START: Final = re.compile(r"[?#]")
# More nested escapes are rejected, because no honest client sends them.
_MAX_DECODINGS: Final = 4
_PARAMETER: Final = None

PathShape = Sequence[str | None]


class OwnPaths:
    """The paths of Diglot: the shapes of its routes, in which None stands for a parameter."""

    def __init__(self, shapes: Iterable[PathShape]) -> None:
        self._root: dict[Any, Any] = {}
        for shape in shapes:
            node = self._root
            for part in shape:
                node = node.setdefault(part if part is None else part.casefold(), {})
            node[""] = True  # no part of a path is empty

    def contains(self, parts: Sequence[str]) -> bool:
        """Tell whether path segments, case-folded, are a path of Diglot."""
        nodes = [self._root]
        for part in parts:
            nodes = [node[key] for node in nodes for key in (part, _PARAMETER) if key in node]
        return any("" in node for node in nodes)


def may_forward(raw: bytes, own_paths: OwnPaths) -> bool:
    """Tell whether a raw request path may be forwarded to an upstream."""
    if _PATH_PATTERN.fullmatch(raw) is None:
        return False
    text = raw.decode("ascii")
    for _ in range(_MAX_DECODINGS):
        if any(parts is None or own_paths.contains(parts) for parts in _possible_readings(text)):
            return False
        try:
            decoded = unquote(text, errors="strict")
        except UnicodeDecodeError:
            return False
        if decoded == text:
            return True
        text = decoded
    return False


def _possible_readings(text: str) -> Iterator[list[str] | None]:
    """Yield the readings of a path by known servers; None if no honest client would send it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    for path in (folded, _QUERY_START.split(folded, maxsplit=1)[0]):
        parts = _split_path(path)
        yield parts
        if parts:
            *before, last = parts
            yield [*before, last.rpartition(".")[0].rstrip(". ") or last]


def _split_path(folded: str) -> list[str] | None:
    parts = []
    for raw_part in _SEPARATOR.split(folded):
        if any(unicodedata.category(character) == "Cc" for character in raw_part):
            return None
        part = raw_part.partition(";")[0].strip()
        if part and not part.strip(". "):
            return None
        parts.append(
            "".join(character for character in part if unicodedata.category(character) != "Cf").rstrip(". ")
        )
    return [part for part in parts if part]
