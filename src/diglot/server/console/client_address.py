"""Finds the address of a client behind reverse proxies."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from litestar import Request

from diglot.api.input.headers import find_header

# The prefix length of an IPv6 network that belongs to one customer.
_NETWORK_BITS = 64


def find_client_address(request: Request[Any, Any, Any], proxies: int) -> str:
    """Return the client's IPv4 address or IPv6 network, trusting this number of reverse proxies."""
    address = _parse_address(_find_hop(request.scope, proxies))
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, _NETWORK_BITS), strict=False))
    return "" if address is None else str(address)


def find_address(scope: Mapping[str, Any], proxies: int) -> str:
    """Return the client's whole address, empty if no proxy names a valid one."""
    address = _parse_address(_find_hop(scope, proxies))
    return "" if address is None else str(address)


def is_https(request: Request[Any, Any, Any], proxies: int) -> bool:
    """Tell whether the client uses https, to the server or to the first proxy."""
    forwarded = find_header(request, b"x-forwarded-proto") if proxies else None
    return request.scope["scheme"] == "https" or forwarded == "https"


def _find_hop(scope: Mapping[str, Any], proxies: int) -> str:
    peer: Any = scope.get("client") or ("",)
    if not proxies:
        return str(peer[0])
    forwarded = ""
    for key, value in scope["headers"]:
        if key == b"x-forwarded-for":
            forwarded = value.decode("latin-1")
    hops = [*forwarded.split(","), str(peer[0])]
    return hops[max(-1 - proxies, -len(hops))].strip()


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
