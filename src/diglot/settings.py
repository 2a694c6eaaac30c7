"""Settings: one row for each, from which the command line, the checks and the operators' page follow."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from diglot.caches import DEFAULT_CACHE_MEGABYTES
from diglot.model.workspaces import DEFAULT_LIMITS, WorkspaceLimits
from diglot.storage.database_urls import STATEMENT_CACHE

VENDOR_LIMITS: Final = "vendor"
NO_LIMITS: Final = "off"
UPSTREAMS: Final = "upstreams"
_MAX_TIMEOUT_SECONDS: Final = 3600
_MAX_COUNT: Final = 2_000_000_000


def _unit(unit: str) -> dict[str, str]:
    return {"unit": unit}


def _limit(description: str) -> Meta:
    return Meta(ge=0, le=_MAX_COUNT, description=f"{description} 0 for no limit.")


def _one_of(*choices: str) -> dict[str, Any]:
    return {"unit": "|".join(choices), "choices": choices}


_SECONDS: Final = _unit("seconds")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator can configure, in the order of `diglot serve --help`.

    The description is the help text of the flag. `unit` is shown in place of the value, and stands for the
    syntax of a text. A number has a range.
    """

    host: Annotated[str, Meta(description="The address to listen on; 0.0.0.0 means all.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="The port; 0 picks a free one.")] = 8000
    database: Annotated[
        str,
        Meta(
            description="A SQLite file, created if missing, or postgresql://USER:PASSWORD@HOST/NAME.",
            extra=_unit("FILE|URL"),
        ),
    ] = "diglot.db"
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Number of server processes; use one for each processor core.")
    ] = 1
    strict: Annotated[
        bool, Meta(description="Reject extensions that the vendor would reject, such as nested groups.")
    ] = False
    access_log: Annotated[bool, Meta(description="Log a line for each request.")] = False
    log_format: Annotated[
        str,
        Meta(
            description="The form of log lines: text for people, json for programs.",
            extra=_one_of("text", "json"),
        ),
    ] = "text"
    log_level: Annotated[
        str,
        Meta(
            description="The least severe lines to log; libraries log warnings and errors only.",
            extra=_one_of("debug", "info", "warning", "error"),
        ),
    ] = "info"
    slow_statement_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=_MAX_TIMEOUT_SECONDS * 1_000,
            description="Log and count a statement of SQL that takes at least this long; 0 turns it off.",
            extra=_unit("milliseconds"),
        ),
    ] = 1_000
    traces: Annotated[
        bool,
        Meta(description="Export OpenTelemetry traces, as the OTEL_... variables say; needs diglot[otel]."),
    ] = False
    drain_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that /ready answers 503 after SIGTERM before the server stops accepting "
            "connections.",
            extra=_SECONDS,
        ),
    ] = 0
    min_free_mib: Annotated[
        int,
        Meta(
            ge=0,
            le=1_048_576,
            description="Free space in MiB on the disk of a SQLite file below which /ready answers 503.",
            extra=_unit("MiB"),
        ),
    ] = 64
    rate_limits: Annotated[
        str,
        Meta(
            description="Rate limits for each key: those of its vendor, off, or NUMBER requests a minute "
            "per call.",
            extra=_unit("vendor|off|NUMBER"),
        ),
    ] = VENDOR_LIMITS
    workspace_rate: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="How many times the rate limit of one key all keys of a workspace have together; 0 "
            "for no limit.",
        ),
    ] = 10
    max_segments: Annotated[int, _limit("Segments and dynamic lists of a workspace.")] = (
        DEFAULT_LIMITS.segments
    )
    max_rules: Annotated[int, _limit("Rules over all segments of a workspace.")] = DEFAULT_LIMITS.rules
    max_lists: Annotated[int, _limit("Lists of a workspace.")] = DEFAULT_LIMITS.lists
    max_keys: Annotated[
        int, _limit("Valid API keys up to which clients may create more in their workspace.")
    ] = DEFAULT_LIMITS.keys
    max_webhooks: Annotated[int, _limit("Webhooks of a workspace.")] = DEFAULT_LIMITS.webhooks
    max_contacts: Annotated[int, _limit("Contacts of a workspace.")] = DEFAULT_LIMITS.contacts
    max_import_mib: Annotated[
        int,
        Meta(
            ge=1,
            le=1_048_576,
            description="Size of the largest file that a client may upload for an import.",
            extra=_unit("MiB"),
        ),
    ] = 2_048
    # By dialect, empty for none. The flags of upstreams need the names of the dialects, so cli/ has them.
    upstreams: dict[str, str] = {}
    upstream_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that an upstream may send nothing before it times out.",
            extra=_SECONDS,
        ),
    ] = 60
    exchange_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Seconds that a call to an upstream may take, plus one for each 32 KiB that passes.",
            extra=_SECONDS,
        ),
    ] = 300
    idle_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that a connection may be idle, or take to send the head of a request.",
            extra=_SECONDS,
        ),
    ] = 25
    body_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that a client may take to send a body, plus one for each 32 KiB.",
            extra=_SECONDS,
        ),
    ] = 30
    database_connections: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Connections of each server process to PostgreSQL, or its readers of a SQLite file; "
            "0 stands for 8 or 4.",
        ),
    ] = 0
    database_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="Seconds that a request waits for the database to connect, and for a lock.",
            extra=_SECONDS,
        ),
    ] = 4
    statement_cache: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Statements that a connection to PostgreSQL keeps prepared; 0 behind a pooler in "
            "transaction mode, such as pgbouncer.",
        ),
    ] = STATEMENT_CACHE
    queue_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that a request waits for its turn behind others of its workspace.",
            extra=_SECONDS,
        ),
    ] = 30
    read_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that a read of the database may take.",
            extra=_SECONDS,
        ),
    ] = 15
    send_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=_MAX_TIMEOUT_SECONDS,
            description="Seconds that a client may take to read an answer, plus one for each 32 KiB.",
            extra=_SECONDS,
        ),
    ] = 30
    connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=4_096,
            description="Connections that a client's address may have to each worker; 0 turns the limit off, "
            "and so does --trusted-proxies.",
        ),
    ] = 512
    webhook_targets: Annotated[
        str,
        Meta(
            description="Allowed targets of webhooks: public, any, hosts, networks; separated by commas.",
            extra=_unit("LIST"),
        ),
    ] = "public"
    verify_every_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=8_760,
            description="Hours between verifications of a dynamic segment by a full evaluation; 0 turns them "
            "off.",
            extra=_unit("hours"),
        ),
    ] = 24
    history_days: Annotated[
        int, Meta(ge=1, le=3_650, description="Days to keep membership changes.", extra=_unit("days"))
    ] = 30
    trusted_proxies: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Number of reverse proxies in front of the server: it trusts this many "
            "X-Forwarded-... entries.",
        ),
    ] = 0
    secure_cookies: Annotated[
        bool,
        Meta(description="Mark session cookies as https only, even if the server cannot detect https."),
    ] = False
    console: Annotated[
        bool, Meta(description="Serve the console, pages for people, at /console; / leads to it.")
    ] = True
    docs: Annotated[bool, Meta(description="Serve /docs and the OpenAPI documents, without a key.")] = True

    cache_megabytes: Annotated[
        int,
        Meta(
            ge=8,
            le=65_536,
            description="Memory of each process for conditions, memberships and their recent changes.",
            extra=_unit("MIB"),
        ),
    ] = DEFAULT_CACHE_MEGABYTES

    @property
    def rate_limit_override(self) -> int | None:
        """The rate that replaces the vendors' figures: 0 for no limit, None to use the figures."""
        return (
            None
            if self.rate_limits == VENDOR_LIMITS
            else 0
            if self.rate_limits == NO_LIMITS
            else int(self.rate_limits)
        )

    @property
    def workspace_limits(self) -> WorkspaceLimits:
        """The limits of each workspace."""
        return WorkspaceLimits(
            segments=self.max_segments,
            rules=self.max_rules,
            lists=self.max_lists,
            keys=self.max_keys,
            webhooks=self.max_webhooks,
            contacts=self.max_contacts,
        )


class Setting(msgspec.Struct, frozen=True):
    """A row of `Settings`; `minimum` and `maximum` are None unless it is a number."""

    name: str
    kind: type[str] | type[int] | type[bool]
    default: str | int | bool
    description: str
    unit: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()


def _read_row(field: msgspec.structs.FieldInfo) -> Setting:
    kind: Any = field.type.__origin__
    [meta] = field.type.__metadata__
    extra = meta.extra or {}
    return Setting(
        field.name,
        kind,
        field.default,
        meta.description,
        extra.get("unit"),
        meta.ge,
        meta.le,
        extra.get("choices", ()),
    )


SETTINGS: Final = {
    field.name: _read_row(field) for field in msgspec.structs.fields(Settings) if field.name != UPSTREAMS
}
