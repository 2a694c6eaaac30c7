"""Finds the network of a client, which limits count by, also behind reverse proxies."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

# The prefix length of an IPv6 network that belongs to one customer.
_NETWORK_BITS: Final = 64


def client_network(scope: dict[str, Any], proxies: int) -> str:
    """Return the client's IPv4 address or IPv6 network, trusting this number of reverse proxies."""
    peer: Any = scope.get("client") or ("",)
    hops = [*_last_header(scope, b"x-forwarded-for").split(","), str(peer[0])]
    return reduce_to_network(hops[max(-1 - proxies, -len(hops))].strip())


def is_https(scope: dict[str, Any], proxies: int) -> bool:
    """Tell whether the client uses https, to the server or to the first proxy."""
    return scope.get("scheme") == "https" or (
        proxies > 0 and _last_header(scope, b"x-forwarded-proto") == "https"
    )


def reduce_to_network(address_text: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its network, and anything else as empty text."""
    try:
        address = ip_address(address_text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, _NETWORK_BITS), strict=False))


def _last_header(scope: dict[str, Any], name: bytes) -> str:
    found = b""
    for key, value in scope["headers"]:
        if key == name:
            found = value
    return found.decode("latin-1")
