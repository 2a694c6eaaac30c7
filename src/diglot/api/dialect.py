"""What the app needs from a dialect, and what a dialect's handlers get from the app."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import commonpath
from typing import Any

import msgspec
from litestar import Request

from diglot.api.demo import Demo
from diglot.api.endpoint import Endpoint
from diglot.api.operation import Operation
from diglot.api.responses import ErrorResponse, Headers
from diglot.api.rules import Words
from diglot.model.webhooks import Delivery, Webhook, WebhookMessage
from diglot.service.access.keys import KeyFormat
from diglot.service.access.rate_limits import Rate, RateLimitState


@dataclass(frozen=True, slots=True)
class Surface:
    """A prefix of paths with the calls under it, and the error body that its clients read."""

    prefix: str
    endpoints: Sequence[Endpoint]
    render_error: Callable[[Exception], ErrorResponse]
    error_body: type[msgspec.Struct]

    def contains(self, path: str) -> bool:
        """Tell whether a path lies under the prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's HTTP vocabulary: `secret` finds the key of a request, `may` tells whether scopes suffice.

    `rate` names what a call is counted with and how often that may be asked; `build_rate_headers` shows
    the rest,
    `rate_header_docs` documents these headers; `tags` says of what each group of calls is.
    `message` is what goes out to a webhook at an instant.
    The first surface is the one that the vendor's pages document; the others serve clients of other ages.
    """

    name: str
    title: str
    # The dialect's folder, which also holds the examples of its OpenAPI document.
    package: str
    words: Words
    key_format: KeyFormat
    surfaces: Sequence[Surface]
    read_secret: Callable[[Request[Any, Any, Any]], str | None]
    scopes_allow: Callable[[frozenset[str], str], bool]
    rate_for: Callable[[Operation], tuple[str, Rate]]
    build_rate_headers: Callable[[RateLimitState], Headers]
    rate_header_docs: Mapping[str, Any]
    render_message: Callable[[Webhook, Delivery, int], WebhookMessage]
    tag_descriptions: Mapping[str, str]
    security_schemes: dict[str, Any]
    # Which of the schemes suffice, each by itself or together with those beside it.
    security_options: Sequence[tuple[str, ...]]
    named_schemas: dict[str, Any]
    description: str
    # Where the document is served, as JSON and as YAML.
    json_path: str
    yaml_path: str
    # The vendor's own API, an upstream for what Diglot does not serve.
    vendor_url: str
    demo: Demo
    # Whether a person who is signed in may call it without a key.
    allows_sessions: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of the documented surface."""
        return self.surfaces[0].prefix

    @property
    def base_path(self) -> str:
        """The longest path that all surfaces share: where the OpenAPI document's server is."""
        return commonpath([surface.prefix for surface in self.surfaces])

    @property
    def operations(self) -> list[tuple[Surface, Operation]]:
        """Every call with its surface."""
        return [(one, endpoint.operation) for one in self.surfaces for endpoint in one.endpoints]
