"""Recognizes opt-out columns of an import by their names."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from diglot.api.opt_outs import name_words as words_of
from diglot.api.opt_outs.columns import KNOWN_COLUMNS, OptOutColumn, Reading
from diglot.conditions import text

# Attribute keys are shorter; a file with a longer column name is rejected before its rows are read.
LONGEST_NAME: Final = 200
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD: Final = re.compile(r"[\W_]+")


def column_of(name: str) -> OptOutColumn | None:
    """Return the opt-out column for a name, or None if the name does not concern opting out."""
    return _column_of(name) if len(name) <= LONGEST_NAME else None


def names_a_status(name: str, column: OptOutColumn) -> bool:
    """Tell whether an unknown value of a column may be the status of somebody who opted out.

    An unknown value of any other column refuses the file, or is a link, a number or a campaign.
    """
    words = frozenset(_spaced(_without_lookalikes(name)).split())
    return column.reading is Reading.HINT_NO or (
        column.reading is Reading.HINT and bool(words & words_of.STATUS_WORDS)
    )


@lru_cache(maxsize=4096)
def _column_of(name: str) -> OptOutColumn | None:
    name = _without_lookalikes(name)
    if not words_of.STEMS.search(name.lower()):
        return None
    squeezed = _squeezed(name)
    if squeezed in _KNOWN:
        return _KNOWN[squeezed]
    spaced = _spaced(name)
    words = frozenset(spaced.split())
    if words & words_of.ELSEWHERE and not words & words_of.EMAIL_WORDS:
        return None
    return _opt_out(spaced, words) or _consent(spaced, words) or _hint(spaced, words)


def _opt_out(name: str, words: frozenset[str]) -> OptOutColumn | None:
    """Return the column for a name that mentions opting out, bounces or complaints."""
    if (status := _named_status(name)) is None:
        return None
    if words_of.NOT_OPTED_OUT_NAME.search(name):
        return OptOutColumn(Reading.CONSENT, status)
    if words_of.CONSENT_NAME.search(name) or words_of.SUBSCRIBE_NAME.search(name):
        return OptOutColumn(Reading.EITHER, status)
    if (status == "bounced" and "soft" in words) or (words & words_of.CHANCES and "not" not in words):
        return OptOutColumn(Reading.HINT)
    if words & words_of.MEANS:
        return OptOutColumn(Reading.HINT_YES, status)
    if words & words_of.COUNT_WORDS:
        # A count without `hard` mixes soft and hard bounces, so a count above 1 is rejected as unknown.
        mixed = status == "bounced" and "hard" not in words
        return OptOutColumn(Reading.OPT_OUT if mixed else Reading.COUNT, status)
    return OptOutColumn(Reading.PRESENT if words & words_of.OPT_OUT_DETAILS else Reading.OPT_OUT, status)


def _named_status(name: str) -> str | None:
    if words_of.COMPLAINT_NAME.search(name):
        return "complained"
    if words_of.BOUNCE_NAME.search(name):
        return "bounced"
    return "unsubscribed" if words_of.OPT_OUT_NAME.search(name) else None


def _consent(name: str, words: frozenset[str]) -> OptOutColumn | None:
    if not words_of.CONSENT_NAME.search(name):
        return None
    if words & words_of.CONTRARY and not words & words_of.NEEDS:
        return OptOutColumn(Reading.PRESENT if words & words_of.OPT_OUT_DETAILS else Reading.OPT_OUT)
    return OptOutColumn(Reading.HINT if words & words_of.CONSENT_DETAILS else Reading.CONSENT)


def _hint(name: str, words: frozenset[str]) -> OptOutColumn | None:
    if words_of.FLAG_NAME.fullmatch(name):
        return OptOutColumn(Reading.HINT_NO)
    if words_of.STATED_NAME.search(name):
        told_otherwise = words & (words_of.CONSENT_DETAILS | words_of.OPT_OUT_DETAILS)
        return OptOutColumn(Reading.HINT if told_otherwise else Reading.STATED)
    if words & words_of.STATUS_WORDS and words & words_of.STATUS_OF:
        return OptOutColumn(Reading.HINT)
    return None


def _without_lookalikes(name: str) -> str:
    """Return a name without format characters, and with ordinary letters for full-width and similar ones."""
    if name.isascii():
        return name
    plain = unicodedata.normalize("NFKC", name)
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


def _squeezed(name: str) -> str:
    return _NO_WORD.sub("", text.fold_case(name))


def _spaced(name: str) -> str:
    """Return the words of a name: `HasOptedOutOfEmail` -> `has opted out of email`."""
    words = text.fold_case(_CAMEL.sub(" ", name.replace("'", "").replace("\u2019", "")))
    return re.sub(r"\be (mails?)\b", r"e\1", _NO_WORD.sub(" ", words)).strip()


_KNOWN: Final = {_squeezed(name): column for _, name, column in KNOWN_COLUMNS}
