"""Allowed targets of deliveries: the operator's setting, and which addresses are public."""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from diglot.errors import Misconfigured

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Returns the addresses of a name and a port.
ResolveHost = Callable[[str, int], Awaitable[Sequence[Address]]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_URL_LENGTH: Final = 2_048
_PUBLIC_WORD: Final = "public"
_ANY_WORD: Final = "any"
# The only range of IPv6 that is assigned for the Internet, and the prefixes that embed an IPv4 address.
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_6TO4: Final = ipaddress.ip_network("2002::/16")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# Special-purpose ranges, listed here because older Pythons lack some of them (IANA special-purpose
# registries).
_SPECIAL_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        ),
    )
)


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public Internet, judging an embedded IPv4 address by itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded_ipv4(address)
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    elsewhere = any(address in network for network in _SPECIAL_NETWORKS if network.version == address.version)
    return address.is_global and not address.is_multicast and not elsewhere


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds: mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056)."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return None


class AllowedTargets(msgspec.Struct, frozen=True):
    """The targets that the operator allows: public addresses, any address, networks, and host names."""

    allow_public: bool = True
    allow_any: bool = False
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def allows(self, host: str, address: Address) -> bool:
        """Tell whether a delivery to a host may go to one of its addresses."""
        if self.allow_any or host.lower().rstrip(".") in self.hosts:
            return True
        if self.allow_public and is_public(address):
            return True
        target = getattr(address, "ipv4_mapped", None) or address
        return any(target in network for network in self.networks if network.version == target.version)


PUBLIC_ONLY: Final = AllowedTargets()


def parse_allowed_targets(setting: str) -> AllowedTargets:
    """Parse the setting: `public`, `any`, host names, addresses and networks, separated by commas."""
    words = [word.strip().lower() for word in setting.split(",")]
    if not all(words):
        raise Misconfigured(
            f"webhook_targets {setting!r} has an empty entry: use public, any, hosts or networks"
        )
    networks: list[Network] = []
    hosts: set[str] = set()
    for word in words:
        if word in (_PUBLIC_WORD, _ANY_WORD):
            continue
        try:
            networks.append(ipaddress.ip_network(word.strip("[]")))
        except ValueError as error:
            if "/" in word or ":" in word:
                raise Misconfigured(f"webhook_targets: {word!r} is neither a host nor a network") from error
            hosts.add(word.rstrip("."))
    return AllowedTargets(_PUBLIC_WORD in words, _ANY_WORD in words, tuple(networks), frozenset(hosts))


def find_url_fault(url: str, targets: AllowedTargets) -> str | None:
    """Return the fault of a webhook URL, or None. Host names are resolved and checked on each attempt."""
    if len(url) > MAX_URL_LENGTH:
        return f"String must contain at most {MAX_URL_LENGTH} character(s)"
    if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url:
        return "Invalid url"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        ascii_host = host if ":" in host else host.rstrip(".").encode("idna").decode()
    except (ValueError, UnicodeError):
        return "Invalid url"
    if parts.scheme not in ("http", "https") or not ascii_host or port == 0:
        return "Invalid url: expected http or https and a host"
    if "@" in parts.netloc:
        return "Invalid url: it holds a user name or a password"
    address = _parse_literal_address(ascii_host)
    if address is not None and not targets.allows(ascii_host, address):
        return "Invalid url: deliveries to this address are not allowed here"
    return None


def _parse_literal_address(host: str) -> Address | None:
    """Return the address if a host is an address, in legacy forms too (`127.1`, `0x7f000001`)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
