"""Domain errors on the contacts platform: the statuses and texts of the mail routes, nothing around them."""

from diglot.api.responses import Answer
from diglot.dialects.misar import errors
from diglot.dialects.misar.platform.wire import PlatformError
from diglot.dialects.misar.wire import ErrorBody
from diglot.errors import Fault, Invalid


def render_error(error: Exception) -> Answer:
    """Return the answer to an error; faults of an input stand one after another, each with its path."""
    answer = errors.render_error(error)
    assert isinstance(answer.body, ErrorBody)
    text = "; ".join(map(_said, error.faults)) if isinstance(error, Invalid) else answer.body.error
    return Answer(answer.status, PlatformError(text), answer.headers)


def _said(fault: Fault) -> str:
    where = ".".join(map(str, fault.path))
    return f"{where}: {fault.message}" if where else fault.message
