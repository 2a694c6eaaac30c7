"""Maps the value of an opt-out column to the status that it lowers a contact to."""

import re
from typing import Any, Final

from diglot.api.opt_outs import value_words as words_of
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.conditions import text
from diglot.conditions.fields import stricter
from diglot.conditions.operands import OperandError

_HINTS: Final = frozenset({Reading.HINT, Reading.HINT_NO, Reading.HINT_YES})
_SAYS_NOTHING_STATED: Final = (
    words_of.SAYS_NOTHING | words_of.YES | words_of.OPTED_IN | words_of.CONSENTED | words_of.STATED_OTHERWISE
)
_SIGNS: Final = words_of.YES_SIGNS | words_of.NO_SIGNS
_FIRST_EPOCH: Final = 10**8
_FIRST_DAY: Final = 19_000_101
_LAST_DAY: Final = 21_001_231
_NO_WORD: Final = re.compile(r"[\W_]+")


def read_status(written: str) -> str:
    """Return the status that a cell of a status column means, or its text in lower case.

    Other words, such as `Cleaned`, are only mapped if they mean a status that lowers a contact.
    """
    return words_of.STATUS_VALUES.get(_word(written), written.lower())


def status_of(column: OptOutColumn, value: Any) -> str | None:
    """Return the status that a value lowers a contact to, or None; raise `OperandError` if unknown."""
    if isinstance(value, list):
        lowered: str | None = None
        for element in value:
            lowered = stricter(lowered, _scalar_status(column, element))
        return lowered
    return _scalar_status(column, value)


def is_understood(column: OptOutColumn, written: str) -> bool:
    """Tell whether a value is a known word of a column whose other values are ignored."""
    word = _word(written)
    return (
        status_of(column, written) is not None
        or word in _SAYS_NOTHING_STATED
        or word in words_of.NO
        or written in _SIGNS
        or text.parse_number(written) in (0, 1)
    )


def _scalar_status(column: OptOutColumn, value: Any) -> str | None:
    if value is None or value == {}:
        return None
    if column.reading is Reading.WORDS:
        return _listed_status(column, value)
    if column.reading is Reading.STATED:
        return _stated_status(column, value)
    if column.reading in _HINTS:
        return _hinted_status(column, value)
    if isinstance(value, bool):
        return _answer_status(column, value, value)
    if isinstance(value, str):
        return _text_status(column, value)
    if text.is_number(value):
        return _number_status(column, value, value)
    raise _not_understood(value)


def _listed_status(column: OptOutColumn, value: Any) -> str | None:
    word = _word(str(value))
    if word not in column.words:
        raise _not_understood(value)
    return column.words[word]


def _stated_status(column: OptOutColumn, value: Any) -> str | None:
    written = str(value).strip(text.WHITE_SPACE) if isinstance(value, str | bool) else None
    if written is None:
        raise _not_understood(value)
    word = _word(written)
    if word in words_of.NO:
        return column.status
    if (known := words_of.STATED_VALUES.get(word)) is not None:
        return known
    if word in _SAYS_NOTHING_STATED or not written.strip("-\u2013\u2014"):
        return None
    raise _not_understood(value)


def _hinted_status(column: OptOutColumn, value: Any) -> str | None:
    value_text = str(value).strip(text.WHITE_SPACE) if isinstance(value, str | int | float) else ""
    word = _word(value_text)
    is_no = word in words_of.NO or value_text in words_of.NO_SIGNS or text.parse_number(value_text) == 0
    if column.reading is Reading.HINT_NO and is_no:
        return column.status
    is_yes = word in words_of.YES or value_text in words_of.YES_SIGNS
    if column.reading is Reading.HINT_YES and is_yes:
        return column.status
    return words_of.STATUS_VALUES.get(word)


def _text_status(column: OptOutColumn, written: str) -> str | None:
    stripped = written.strip(text.WHITE_SPACE)
    word = _word(stripped)
    if (number := text.parse_number(stripped)) is not None:
        return _number_status(column, number, written)
    if stripped in words_of.YES_SIGNS or stripped in words_of.NO_SIGNS:
        return _answer_status(column, stripped in words_of.YES_SIGNS, written)
    if word in words_of.SAYS_NOTHING or not stripped.strip("-\u2013\u2014"):
        return None
    if word in words_of.YES or word in words_of.NO:
        return _answer_status(column, word in words_of.YES, written)
    if words_of.DATE.fullmatch(stripped):
        return _date_status(column, written) if re.search("[1-9]", stripped) else None
    return _word_status(column, word, written)


def _word_status(column: OptOutColumn, word: str, written: str) -> str | None:
    known = words_of.OPT_OUT_VALUES.get(word)
    if column.reading is Reading.PRESENT:
        return stricter(column.status, known)
    if column.reading is Reading.CONSENT:
        known = known or words_of.CONSENT_VALUES.get(word)
    if known is not None:
        return known
    if word in words_of.OPTED_IN or (column.reading is Reading.CONSENT and word in words_of.CONSENTED):
        return None
    raise _not_understood(written)


def _number_status(column: OptOutColumn, number: float, written: Any) -> str | None:
    if number in column.codes:
        return column.codes[number]
    if column.reading in (Reading.PRESENT, Reading.COUNT):
        return column.status if number > 0 else None
    if number in (0, 1):
        return _answer_status(column, number == 1, written)
    if number >= _FIRST_EPOCH or _FIRST_DAY <= number <= _LAST_DAY:
        return _date_status(column, written)
    raise _not_understood(written)


def _date_status(column: OptOutColumn, written: Any) -> str | None:
    """Interpret a date as a yes, because it shows that the event happened."""
    return _answer_status(column, True, written)


def _answer_status(column: OptOutColumn, yes: bool, written: Any) -> str | None:
    if column.reading is Reading.EITHER:
        raise _not_understood(written)
    return column.status if yes is not (column.reading is Reading.CONSENT) else None


def _not_understood(value: Any) -> OperandError:
    shown = value if isinstance(value, str | int | float) else "an object or a list"
    return OperandError(
        f"The column speaks of opting out, and its value '{str(shown)[:100]}' is not understood"
    )


def _word(value: str) -> str:
    return _NO_WORD.sub(" ", text.fold_case(value)).strip()
