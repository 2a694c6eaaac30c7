"""Tags as text: in a cell of a file, in a query and in a form."""

import re
from typing import Any, Final

from diglot.conditions.operands import OperandError
from diglot.conditions.text import WHITE_SPACE

# The second group is None if a quote is not closed, and empty at the end of the text.
_QUOTED_TAG: Final = re.compile(rf'[{WHITE_SPACE}]*"(?:([^"]*(?:""[^"]*)*)"[{WHITE_SPACE}]*([,;]|\Z))?')
_PLAIN_TAG: Final = re.compile(r"([^,;]*)([,;]|\Z)")


def split_tags(text: str) -> list[str]:
    """Split a text into tags at commas or semicolons; raise `OperandError`.

    The text is a row of CSV, so a quoted tag may contain both separators. After a semicolon, quotes are
    special only if the first tag is quoted too, because in `a;"b"` the quotes do not begin a CSV cell.
    """
    tags: list[str] = []
    quoted_first = text.lstrip(WHITE_SPACE).startswith('"')
    quotes, start = True, 0
    while start <= len(text):
        if quotes and (quoted := _QUOTED_TAG.match(text, start)) is not None:
            if quoted[2] is None:
                raise OperandError("The quotes of a tag have to end, before a comma or a semicolon")
            tag, end, separator = quoted[1].replace('""', '"'), quoted.end(), quoted[2]
        else:
            plain = _PLAIN_TAG.match(text, start)
            assert plain is not None
            tag, end, separator = plain[1], plain.end(), plain[2]
        tags.append(tag.strip(WHITE_SPACE))
        quotes = separator == "," or quoted_first
        start = end if separator else len(text) + 1
    return [tag for tag in tags if tag]


def read_tag_text(value: Any) -> Any:
    """Return a text of tags as sent; raise `OperandError` if it cannot be split."""
    split_tags(value)
    return value
