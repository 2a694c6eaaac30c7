"""The interface between the app and a dialect."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import commonpath
from typing import Any

import msgspec

from diglot.api.demo import Demo
from diglot.api.endpoint import Endpoint
from diglot.api.input.request import HasScope
from diglot.api.input.webhooks import EventNames
from diglot.api.operation import Operation
from diglot.api.responses import ErrorResponse, Headers
from diglot.api.rules.words import Words
from diglot.model.webhooks import Delivery, Webhook, WebhookMessage
from diglot.service.access.keys import KeyFormat
from diglot.service.access.rate_limits import Rate, RateLimitState


class Surface(msgspec.Struct, frozen=True):
    """A path prefix with its calls, and the error body that its clients expect."""

    prefix: str
    endpoints: Sequence[Endpoint]
    render_error: Callable[[Exception], ErrorResponse]
    error_body: type[msgspec.Struct]

    def contains(self, path: str) -> bool:
        """Tell whether a path lies under the prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's HTTP vocabulary.

    `read_secret` finds the key of a request, and `scopes_allow` tells whether scopes are sufficient.
    `rate_for` returns the counter and the limit of a call, `build_rate_headers` the headers with the
    remainder, which `rate_header_docs` documents. `tag_descriptions` describes the groups of calls.
    The first surface is the one that the vendor documents; the others serve older and newer clients.
    """

    name: str
    title: str
    # The package of the dialect, which also contains the examples of its OpenAPI document.
    package: str
    words: Words
    key_format: KeyFormat
    surfaces: Sequence[Surface]
    read_secret: Callable[[HasScope], str | None]
    scopes_allow: Callable[[frozenset[str], str], bool]
    rate_for: Callable[[Operation], tuple[str, Rate]]
    build_rate_headers: Callable[[RateLimitState], Headers]
    rate_header_docs: Mapping[str, Any]
    render_message: Callable[[Webhook, Delivery, int], WebhookMessage]
    # Tells whether a webhook of the vendor has the signature of a secret, given its body and now.
    is_signed: Callable[[HasScope, bytes, str, int], bool]
    tag_descriptions: Mapping[str, str]
    security_schemes: dict[str, Any]
    # Alternatives; all schemes of one alternative are required together.
    security_options: Sequence[tuple[str, ...]]
    named_schemas: dict[str, Any]
    description: str
    # The paths of the OpenAPI document as JSON and as YAML.
    json_path: str
    yaml_path: str
    # The vendor's API, the usual upstream for calls that Diglot does not serve.
    vendor_url: str
    demo: Demo
    # The names of the events of webhooks, how many of them a webhook may have, and how its secrets begin.
    events: EventNames
    # What each scope that opens calls permits, for people; the other scopes are for the vendor's own calls.
    scope_words: Mapping[str, str]
    max_events: int | None = None
    secret_prefix: str = ""
    # Whether a browser session gives access without a key.
    allows_sessions: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of the documented surface."""
        return self.surfaces[0].prefix

    @property
    def base_path(self) -> str:
        """The longest common path of all surfaces, which is the server URL of the OpenAPI document."""
        return commonpath([surface.prefix for surface in self.surfaces])

    @property
    def operations(self) -> list[tuple[Surface, Operation]]:
        """All operations with their surfaces."""
        return [(one, endpoint.operation) for one in self.surfaces for endpoint in one.endpoints]
