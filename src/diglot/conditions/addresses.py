"""E-mail addresses: which are refused, and the form in which two of them are the same (semantics 23).

An address has three forms. It is shown as it was sent. It is compared by `equals` and `in`, and unique in a
workspace, in lower case with its domain as A-labels (IDNA 2008 after the mapping of UTS 46), because
`ada@bücher.example` and `ada@xn--bcher-kva.example` are one mailbox. It is searched folded, as other text.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from diglot.conditions.text import WHITE_SPACE, to_nfc

ADDRESS_FAULT: Final = "Invalid email"
# White space, controls, and what no part of an address holds; `:` and `?` begin the rest of
# a link, as in `mailto:ada@example.com?subject=Hello`.
_OUTSIDE: Final = r'\s@\x00-\x1f\x7f,;:<>"()\\/?\[\]`'
# An apostrophe at the front is a quotation mark; within, it belongs to a name such as O'Brien.
_LOCAL: Final = rf"[^'{_OUTSIDE}][^{_OUTSIDE}]*"
# Of ASCII a label holds letters, digits, `-` and `_` only, because a sign behind an address would
# make a second contact of one person. IDNA decides on other letters.
_SIGNS: Final = r"\s\x00-,./:-@\[-^`{-\x7f"
_LABEL: Final = rf"[^-{_SIGNS}](?:[^{_SIGNS}]*[^-{_SIGNS}])?"
DOMAIN_PATTERN: Final = rf"{_LABEL}(?:\.{_LABEL})+"
ADDRESS_PATTERN: Final = rf"{_LOCAL}@{DOMAIN_PATTERN}"
_ADDRESS: Final = re.compile(ADDRESS_PATTERN)
_DOMAIN: Final = re.compile(DOMAIN_PATTERN)
# A character as links write it, `%61` for `a`.
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_FORMAT: Final = "Cf"
# Quotation marks and brackets that open or close.
_QUOTES: Final = frozenset({"Pi", "Pf", "Ps", "Pe"})


def find_address_fault(address: str) -> str | None:
    """Return what is wrong with an address, or None if it is accepted."""
    return find_hidden_fault(address) if _ADDRESS.fullmatch(address) else ADDRESS_FAULT


def find_hidden_fault(address: str) -> str | None:
    """Return what the pattern cannot say of an address, or None.

    It is an escape as in links, a format character, a quotation mark outside ASCII at the front, or a domain
    that is no name.
    """
    if "%" in address and _ESCAPE.search(address):
        return ADDRESS_FAULT
    if address.isascii():
        return None
    if any(unicodedata.category(character) == _FORMAT for character in address):
        return ADDRESS_FAULT
    if unicodedata.category(address[0]) in _QUOTES:
        return ADDRESS_FAULT
    return ADDRESS_FAULT if _encode_domain(address.rpartition("@")[2]) is None else None


def normalize_address(text: str) -> str:
    """Return the form in which addresses are compared; other text in lower case and normal form C."""
    if text.isascii():
        return text.lower()
    local, at, domain = text.rpartition("@")
    if not domain.isascii() and find_address_fault(text) is None:
        text = f"{local}{at}{_encode_domain(domain)}"
    return to_nfc(to_nfc(text).lower())


def list_stored_forms(address: str) -> list[str]:
    """Return the forms in which an address may be stored: the compared one, then the earlier one.

    Most addresses have one form only. Two contacts that are stored with the two forms of one are twins.
    """
    if "xn--" not in address and address.isascii():
        return [address]
    normalized = normalize_address(address)
    return list(dict.fromkeys((normalized, spell_address(normalized))))


def spell_address(normalized: str) -> str:
    """Return an address in the compared form with its domain in letters, as people read it."""
    if "xn--" not in normalized:
        return normalized
    import idna  # noqa: PLC0415 - a start needs no tables of Unicode

    local, at, domain = normalized.rpartition("@")
    try:
        return local + at + ".".join(map(_spell_label, domain.split(".")))
    except idna.IDNAError:
        return normalized


def _spell_label(label: str) -> str:
    import idna  # noqa: PLC0415 - see spell_address

    return idna.ulabel(label) if label.startswith("xn--") else label


def strip_format_characters(cell: str) -> str:
    """Return a cell without format characters, such as a byte order mark, and white space at its ends."""
    if cell.isascii():
        return cell.strip(WHITE_SPACE)
    start, end = 0, len(cell)
    while start < end and _is_invisible(cell[start]):
        start += 1
    while end > start and _is_invisible(cell[end - 1]):
        end -= 1
    return cell[start:end]


def _is_invisible(character: str) -> bool:
    return character in WHITE_SPACE or unicodedata.category(character) == _FORMAT


@lru_cache(maxsize=4_096)
def _encode_domain(domain: str) -> str | None:
    """Return a domain as A-labels in lower case, or None if it cannot be a domain."""
    import idna  # noqa: PLC0415 - a start needs no tables of Unicode

    try:
        labels = idna.uts46_remap(domain, std3_rules=False, transitional=False).split(".")
        encoded = ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    except idna.IDNAError:
        return None
    return encoded if _DOMAIN.fullmatch(encoded) else None
