"""Clients of a test process share a TLS context, and what asks for another one gets it."""

import ssl

import certifi


def test_a_file_of_certificates_is_read_once() -> None:
    """Contexts with other options, or with the certificates of the system, are not shared."""
    file = certifi.where()
    shared = ssl.create_default_context(cafile=file)
    assert ssl.create_default_context(cafile=file) is shared
    assert shared.get_ca_certs()
    others = [
        ssl.create_default_context(),
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(cafile=file, cadata=None),
    ]
    assert len({id(context) for context in (shared, *others)}) == 4
