"""Finds the address of a client behind reverse proxies."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from litestar import Request

from diglot.api.input.headers import find_header

# The prefix length of an IPv6 network that belongs to one customer.
_NETWORK_BITS = 64


def find_client_address(request: Request[Any, Any, Any], proxies: int) -> str:
    """Return the client's IPv4 address or IPv6 network, trusting this number of reverse proxies."""
    peer: Any = request.scope.get("client") or ("",)
    hops = [*(find_header(request, b"x-forwarded-for") or "").split(","), str(peer[0])]
    return _reduce_to_network(hops[max(-1 - proxies, -len(hops))].strip())


def is_https(request: Request[Any, Any, Any], proxies: int) -> bool:
    """Tell whether the client uses https, to the server or to the first proxy."""
    forwarded = find_header(request, b"x-forwarded-proto") if proxies else None
    return request.scope["scheme"] == "https" or forwarded == "https"


def _reduce_to_network(address_text: str) -> str:
    try:
        address = ip_address(address_text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, _NETWORK_BITS), strict=False))
