"""Patterns for strings in the OpenAPI documents, as modules of `conditions` read them.

They mean the same in every language's regular expressions: the only character class is white space, and no
code point above U+009F stands in them. U+0085 is white space in Python and not elsewhere, but an escape for
it would keep Ruby from loading a client.
"""

from typing import Final

_TIME_OF_DAY: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"


def _instant_pattern(digits: str) -> str:
    """Return the pattern of a date or an instant; `digits` quantifies the digits of the fraction."""
    return rf"{_DAY}([T ]{_TIME_OF_DAY}(:[0-5][0-9](\.[0-9]{digits})?)?(Z|[+-]{_TIME_OF_DAY})?)?"


# A date or an instant; digits beyond the microsecond are dropped.
INSTANT: Final = f"^{_instant_pattern('+')}$"
# A date or an instant of at most microseconds.
PRECISE_INSTANT: Final = f"^{_instant_pattern('{1,6}')}$"
# The same, or the sequence number of a change.
INSTANT_OR_SEQUENCE: Final = f"^([0-9]+|{_instant_pattern('{1,6}')})$"
_EMAIL_CHARACTER: Final = r"[^\s@\x00-\x1f\x7f]"
_DOMAIN_CHARACTER: Final = r"[^\s@.\x00-\x1f\x7f]"
# What every address fits. It does not say all that an address may not hold, because generators of clients
# write patterns with quotes of both kinds as code that does not load.
EMAIL: Final = rf"^{_EMAIL_CHARACTER}+@{_DOMAIN_CHARACTER}+(\.{_DOMAIN_CHARACTER}+)+$"
ATTRIBUTE_KEY: Final = {"minLength": 1, "maxLength": 100, "pattern": r'^[^\x00-\x1f\x7f-\x9f"\\]*$'}
# The URL of a webhook.
WEBHOOK_URL: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f/?#@\\]+([/?#][^\x00-\x20\x7f\\]*)?$"
URL: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\x00-\x1f\x7f]+([/?#][^\s\x00-\x1f\x7f]*)?$"
