"""Lets all HTTP clients of a test process share one TLS context.

httpx makes a context for each client, even for one that calls this machine without TLS, and reads over a
hundred certificates into it, which takes 17 ms. The tests create more than a thousand clients.
"""

import ssl
from functools import cache
from typing import Any

import pytest


def share() -> None:
    """Make a context of each file of certificates only once; all other contexts are as before."""
    create = ssl.create_default_context

    @cache
    def create_of(cafile: str) -> ssl.SSLContext:
        return create(cafile=cafile)

    def create_or_share(*args: Any, **options: Any) -> ssl.SSLContext:
        if not args and options.keys() == {"cafile"}:
            return create_of(options["cafile"])
        return create(*args, **options)

    pytest.MonkeyPatch().setattr(ssl, "create_default_context", create_or_share)
