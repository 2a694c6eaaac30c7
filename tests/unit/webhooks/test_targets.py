"""Allowed targets of deliveries: a table of addresses, and of their spellings."""

import ipaddress

import pytest

from diglot.errors import Misconfigured
from diglot.webhooks.allowed_targets import PUBLIC_ONLY, find_url_fault, is_public, parse_allowed_targets

PUBLIC_ADDRESSES = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0"),
    *("11.0.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "223.255.255.255"),
    *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2620:fe::fe"),
    # They route to a public IPv4 address.
    *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
)
OTHER_ADDRESSES = (
    # This host, this network, private, shared, link-local (the metadata services of clouds), loopback.
    *("0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"),  # noqa: S104 - not a bind
    *("127.255.255.255", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    # Protocol assignments, documentation, benchmarks, relays, multicast, reserved, broadcast.
    *("192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "224.0.1.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    # The same in IPv6, and unassigned ranges.
    *("::", "::1", "::2", "100::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"),
    *(
        "2001:db8::1",
        "2001::1",
        "2001:10::1",
        "2001:20::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "1::1",
        "e000::1",
    ),
    # Internal IPv4 addresses in IPv6: mapped, compatible, translated, tunneled.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "::ffff:0:127.0.0.1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2001:0:808:808::"),
)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses(address: str) -> None:
    """They are addresses on the Internet."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OTHER_ADDRESSES)
def test_non_public_addresses(address: str) -> None:
    """These are all others, and those that lead to them."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "017700000001", "0"),
        *(
            "127.0.0.1.",
            "\uff11\uff12\uff17.0.0.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "10.1",
            "169.254.169.254",
            "0xa9fea9fe",
        ),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1]", "[fe80::1%25eth0]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]"),
    ],
)
def test_addresses_in_every_spelling(host: str) -> None:
    """A spelling that some resolvers read as an address is read as this address."""
    assert find_url_fault(f"http://{host}/", PUBLIC_ONLY) is not None
    assert find_url_fault(f"https://{host}:8443/a", PUBLIC_ONLY) is not None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.com",
            "http://example.com/",
            "https://example.com:8443/a/b?c=d#e",
            "HTTPS://EXAMPLE.COM/",
        ),
        *("https://münchen.example/", "https://xn--mnchen-3ya.example/", "https://8.8.8.8/", "https://1.1/"),
        *(
            "https://[2606:4700:4700::1111]/",
            "https://a.b.c.d.e/",
            "https://localhost/",
            "https://example.com./",
        ),
    ],
)
def test_valid_urls(url: str) -> None:
    """The address of a name is checked at each attempt."""
    assert find_url_fault(url, PUBLIC_ONLY) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "https://", "https:///a", "https:example.com", "https://:80/"),
        *(
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "javascript:alert(1)",
            "unix:/a",
        ),
        *("https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/"),
        *("https://example.com:0/", "https://example.com:65536/", "https://example.com:x/", "https://[::1/"),
        *(
            "https://exa mple.com/",
            "https://example.com/\n",
            "https://example.com/\x00",
            "\thttps://example.com/",
        ),
        *("https://example.com\\@127.0.0.1/", "https://[nonsense]/", f"https://{'a' * 64}.example/"),
        *("https://example..com/", f"https://example.com/{'a' * 2_048}"),
    ],
)
def test_invalid_urls(url: str) -> None:
    """They have no host, an unknown scheme, a secret, or two readings."""
    assert find_url_fault(url, parse_allowed_targets("any")) is not None


def allowed(written: str, host: str, address: str) -> bool:
    return parse_allowed_targets(written).allows(host, ipaddress.ip_address(address))


def test_the_setting() -> None:
    """The entries are alternatives: public addresses, any, networks, and hosts with any address."""
    assert allowed("public", "a", "8.8.8.8")
    assert not allowed("public", "a", "10.0.0.1")
    assert allowed("any", "a", "127.0.0.1")
    assert allowed("public, 10.0.0.0/8", "a", "10.0.0.1")
    assert allowed("public, 10.0.0.0/8", "a", "8.8.8.8")
    assert not allowed("10.0.0.0/8", "a", "8.8.8.8")
    assert allowed("10.0.0.0/8", "a", "::ffff:10.0.0.1")
    assert not allowed("10.0.0.0/8", "a", "fd00::1")
    assert allowed("127.0.0.1", "a", "127.0.0.1")
    assert allowed("[::1]", "a", "::1")
    assert allowed("fd00::/8", "a", "fd00::1")
    assert allowed("hooks.internal", "Hooks.Internal.", "10.0.0.1")
    assert not allowed("hooks.internal", "other.internal", "10.0.0.1")
    assert find_url_fault("http://10.1.1.1/", parse_allowed_targets("10.0.0.0/8")) is None


@pytest.mark.parametrize(
    "written", ["", ",", "public,", "10.0.0.1/8", "10.0.0.0/33", "http://a/", "a:80", "fd00::/129"]
)
def test_an_invalid_setting_is_one_line(written: str) -> None:
    """The server does not start and says why."""
    with pytest.raises(Misconfigured, match="webhook_targets"):
        parse_allowed_targets(written)
