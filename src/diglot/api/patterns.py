"""Patterns of texts for the documents: of what `conditions` and `service.contact_values` read.

Every language reads them alike: no class of white space but the plain one, no code point past U+00FF.
"""

from typing import Final

_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"


def _moment(digits: str) -> str:
    """Return the pattern of a date or an instant whose fraction of a second has so many digits."""
    return rf"{_DAY}([T ]{_CLOCK}(:[0-5][0-9](\.[0-9]{digits})?)?(Z|[+-]{_CLOCK})?)?"


# A date, or an instant, of which no more is kept than the microsecond.
RECEIVED: Final = f"^{_moment('+')}$"
# A date or an instant as it is kept, or the sequence number of a change.
MOMENT_OR_ENTRY: Final = f"^([0-9]+|{_moment('{1,6}')})$"
_PART: Final = r"[^\s@\x00-\x1f\x7f\x85]"
_LABEL: Final = r"[^\s@.\x00-\x1f\x7f\x85]"
EMAIL: Final = rf"^{_PART}+@{_LABEL}+(\.{_LABEL}+)+$"
ATTRIBUTE_KEY: Final = {"minLength": 1, "maxLength": 100, "pattern": r'^[^\x00-\x1f\x7f-\x9f"\\]*$'}
# Where deliveries go.
TARGET: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f/?#@\\]+([/?#][^\x00-\x20\x7f\\]*)?$"
URL: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\x00-\x1f\x7f\x85]+([/?#][^\s\x00-\x1f\x7f\x85]*)?$"
