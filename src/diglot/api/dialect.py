"""What the app needs from a dialect, and what a dialect's handlers get from the app."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import commonpath
from typing import Any

import msgspec
from litestar import Request

from diglot.api.endpoint import Endpoint
from diglot.api.operation import Operation
from diglot.api.responses import Answer, Headers
from diglot.model.webhooks import Delivery, Message, Webhook
from diglot.service.access.keys import KeyFormat
from diglot.service.access.rate_limits import Rate, RateLimitState


@dataclass(frozen=True, slots=True)
class Surface:
    """A prefix of paths with the calls under it, and the error body that its clients read."""

    prefix: str
    endpoints: Sequence[Endpoint]
    render_error: Callable[[Exception], Answer]
    error_body: type[msgspec.Struct]

    def has(self, path: str) -> bool:
        """Tell whether a path lies under the prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's HTTP vocabulary: `secret` finds the key of a request, `may` tells whether scopes suffice.

    `rate` names what a call is counted with and how often that may be asked; `rate_headers` shows the rest,
    `rate_header_words` documents these headers; `tags` says of what each group of calls is.
    `message` is what goes out to a webhook at an instant.
    The first surface is the one that the vendor's pages document; the others serve clients of other ages.
    """

    name: str
    title: str
    keys: KeyFormat
    surfaces: Sequence[Surface]
    secret: Callable[[Request[Any, Any, Any]], str | None]
    may: Callable[[frozenset[str], str], bool]
    rate: Callable[[Operation], tuple[str, Rate]]
    rate_headers: Callable[[RateLimitState], Headers]
    rate_header_words: Mapping[str, Any]
    message: Callable[[Webhook, Delivery, int], Message]
    tags: Mapping[str, str]
    schemes: dict[str, Any]
    # Which of the schemes suffice, each by itself or together with those beside it.
    security: Sequence[tuple[str, ...]]
    schemas: dict[str, Any]
    description: str
    # Where the document is served, as JSON and as YAML.
    json_at: str
    yaml_at: str
    # Whether a person who is signed in may call it without a key.
    sessions: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of the documented surface."""
        return self.surfaces[0].prefix

    @property
    def base(self) -> str:
        """The longest path that all surfaces share: where the OpenAPI document's server is."""
        return commonpath([surface.prefix for surface in self.surfaces])

    @property
    def calls(self) -> list[tuple[Surface, Operation]]:
        """Every call with its surface."""
        return [(one, endpoint.operation) for one in self.surfaces for endpoint in one.endpoints]
