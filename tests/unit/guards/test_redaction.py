"""API keys stay out of logs and request ids, whatever a client puts them into."""

import io
import logging

import pytest

from diglot.dialects.registry import DIALECTS
from diglot.server.asgi import request_id_of
from diglot.server.guards.redaction import RedactingFormatter, redact

EVERY_PREFIX = pytest.mark.parametrize(
    ("dialect", "prefix"), [(one.name, prefix) for one in DIALECTS for prefix in one.key_format.prefixes]
)
FORMATS = {one.name: one.key_format for one in DIALECTS}


@EVERY_PREFIX
def test_a_key_is_shown_by_its_prefix(dialect: str, prefix: str) -> None:
    """What the key lists show of a key is left, the rest is not."""
    secret = FORMATS[dialect].generate_secret(prefix)
    shown = FORMATS[dialect].display_prefix(secret)
    assert redact(f"GET /a/{secret}/b?key={secret}") == f"GET /a/{shown}.../b?key={shown}..."
    assert redact(f"key {shown}, msk and tm_live_") == f"key {shown}, msk and tm_live_"


@EVERY_PREFIX
def test_a_key_is_no_request_id(dialect: str, prefix: str) -> None:
    """A request id that contains a key is replaced, because logs and upstreams get it."""
    secret = FORMATS[dialect].generate_secret(prefix)
    assert request_id_of([(b"x-request-id", f"a.{secret}".encode())]) is None
    assert request_id_of([(b"x-request-id", b"a.1")]) == b"a.1"


def test_tracebacks_are_redacted() -> None:
    """The text of an exception may quote a request."""
    secret = DIALECTS[0].key_format.generate_secret()
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(RedactingFormatter(logging.Formatter("%(levelname)s %(message)s")))
    error = ValueError(secret)
    values = ("test", logging.ERROR, __file__, 1, "request %s failed", (secret,))
    handler.emit(logging.LogRecord(*values, (ValueError, error, None)))
    written = handler.stream.getvalue()
    assert written.startswith("ERROR request msk_")
    assert "ValueError" in written
    assert secret not in written
