"""Long bodies are decoded item by item, with the same result as at once."""

import json
from random import Random
from typing import Any

import msgspec
import pytest

from diglot.api.input import request_body
from diglot.errors import InvalidInput, MalformedRequest
from support.reporting import SEED

LIMIT = 40


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "MAX_UNSLICED_BYTES", LIMIT)


def draw(rng: Random, depth: int = 5) -> Any:
    """Return a random value, some long and deep."""
    if not depth or rng.random() < 0.2:
        return rng.choice((None, True, 0, -1.5, 2**53, "", "a", "é" * 60, '[{"', "]"))
    items = [draw(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return items if rng.random() < 0.5 else {f"k{number}": item for number, item in enumerate(items)}


def test_long_values_decode_alike(pytestconfig: pytest.Config) -> None:
    """The result is that of the decoder itself, with white space anywhere."""
    rng = Random(pytestconfig.stash[SEED])
    for _ in range(500):
        value = draw(rng)
        for indent in (None, 1):
            sent = json.dumps({"value": value}, indent=indent).encode()
            raw = request_body.parse_object(sent)["value"]
            assert request_body.decode_value(raw, ()) == value
            assert isinstance(raw, msgspec.Raw)


@pytest.mark.parametrize(
    ("item", "error"),
    [("1e999", InvalidInput), ("[" * 5_000 + "]" * 5_000, InvalidInput), ("nothing", MalformedRequest)],
)
def test_a_fault_in_a_long_value_is_told(item: str, error: type[Exception]) -> None:
    """The errors are those of a short value."""
    for sent in (f'["{"x" * LIMIT}",{item}]', f'{{"x":"{"x" * LIMIT}","y":{item}}}', item):
        with pytest.raises(error):
            request_body.decode_value(sent.encode(), ("contacts",))


def test_nul_is_found_in_a_long_body() -> None:
    """U+0000 is refused with its path."""
    body = json.dumps({"contacts": [{"email": "x" * LIMIT}, {"email": "\x00"}]}).encode()
    with pytest.raises(InvalidInput) as refused:
        request_body.parse_object(body)
    assert refused.value.faults[0].path == ("contacts", 1, "email")
