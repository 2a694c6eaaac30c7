"""Where a request comes from, as far as that can be believed."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from litestar import Request

from diglot.api.input.headers import header

# The part of an IPv6 address that names a network of one customer.
_NETWORK_BITS = 64


def client(request: Request[Any, Any, Any], proxies: int) -> str:
    """Return the client's address, or its network, as `proxies` reverse proxies tell it."""
    peer: Any = request.scope.get("client") or ("",)
    believed = [*(header(request, b"x-forwarded-for") or "").split(","), str(peer[0])]
    return _network(believed[max(-1 - proxies, -len(believed))].strip())


def is_https(request: Request[Any, Any, Any], proxies: int) -> bool:
    """Tell whether the client speaks https, to the server or to the first proxy."""
    told = header(request, b"x-forwarded-proto") if proxies else None
    return request.scope["scheme"] == "https" or told == "https"


def _network(written: str) -> str:
    try:
        address = ip_address(written)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, _NETWORK_BITS), strict=False))
