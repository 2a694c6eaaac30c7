"""Routes: the hook before the handler answers, and the handler is none."""

import pytest

from diglot.api.pipeline import build_route
from diglot.dialects.misar.dialect import MISAR
from diglot.dialects.misar.endpoints import ENDPOINTS


async def test_the_handler_of_a_route_is_not_called() -> None:
    """A route whose hook is lost fails each request, instead of answering without a key."""
    route = build_route(MISAR, ENDPOINTS[0])
    assert route.before_request is not None
    with pytest.raises(NotImplementedError):
        await route.fn()
