"""Finds the network of a client, which limits count by, also behind reverse proxies."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

# The prefix length of an IPv6 network that belongs to one customer.
_NETWORK_BITS: Final = 64


def client_network(scope: Mapping[str, Any], proxies: int) -> str:
    """Return the client's IPv4 address or IPv6 network, trusting this number of reverse proxies."""
    return reduce_to_network(_find_hop(scope, proxies))


def find_address(scope: Mapping[str, Any], proxies: int) -> str:
    """Return the client's whole address, empty if no proxy names a valid one."""
    address = _parse_address(_find_hop(scope, proxies))
    return "" if address is None else str(address)


def is_https(scope: Mapping[str, Any], proxies: int) -> bool:
    """Tell whether the client uses https, to the server or to the first proxy."""
    return scope.get("scheme") == "https" or (
        proxies > 0 and _last_header(scope, b"x-forwarded-proto") == "https"
    )


def reduce_to_network(text: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its network, and anything else as empty text."""
    address = _parse_address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, _NETWORK_BITS), strict=False))
    return "" if address is None else str(address)


def _find_hop(scope: Mapping[str, Any], proxies: int) -> str:
    peer: Any = scope.get("client") or ("",)
    if not proxies:
        return str(peer[0])
    hops = [*_last_header(scope, b"x-forwarded-for").split(","), str(peer[0])]
    return hops[max(-1 - proxies, -len(hops))].strip()


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _last_header(scope: Mapping[str, Any], name: bytes) -> str:
    found = b""
    for key, value in scope["headers"]:
        if key == name:
            found = value
    return found.decode("latin-1")
