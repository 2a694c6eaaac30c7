"""Settings: from flags, else the environment (DIGLOT_*), else a file. An unknown setting is an error."""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from diglot.errors import Misconfigured
from diglot.webhooks.allowed_targets import parse_allowed_targets

ENVIRONMENT_PREFIX: Final = "DIGLOT_"
VENDOR_LIMITS: Final = "vendor"
NO_LIMITS: Final = "off"
MAX_REQUESTS: Final = 1_000_000
# Names in the environment that are not settings: the settings file, and a variable for tests.
_NOT_SETTINGS: Final = ("CONFIG", "TEST_POSTGRESQL")
MAX_TIMEOUT_SECONDS: Final = 3600
MAX_VERIFY_HOURS: Final = 8_760
MAX_HISTORY_DAYS: Final = 3_650
_UPSTREAM_PATTERN: Final = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*|\[[0-9A-Fa-f:]+(?:\.[0-9.]+)?\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*/?"
)
# The upstream of a dialect, in the environment or a file; the second form is the older one.
_UPSTREAM_KEY: Final = re.compile(r"upstream_(?P<name>[a-z0-9]+)|(?P<older>[a-z0-9]+)_upstream")
_UPSTREAMS: Final = "upstreams"
_TRUE_WORDS: Final = ("1", "true", "yes", "on")
_FALSE_WORDS: Final = ("0", "false", "no", "off")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator can configure.

    `database` is a file, `sqlite:///FILE` or `postgresql://...`. `rate_limits` is `vendor` for each vendor's
    figures, `off`, or a number of requests a minute for each key and call. `upstreams` maps a dialect to the
    URL to which requests that Diglot does not serve are forwarded, empty for none. Timeouts are in seconds:
    the server closes a connection if no complete request head arrives within `idle_timeout`, and rejects a
    body after `body_timeout` plus one second for each 32 KiB of it. `webhook_targets` are the allowed targets
    of deliveries: `public`, `any`, hosts, addresses and networks. `trusted_proxies` is the number of reverse
    proxies in front of the server, each of which adds to X-Forwarded-For. Each dynamic segment is verified
    once in `verify_every_hours`, 0 for never. Membership changes are kept for `history_days`. `docs` enables
    `/docs` and the OpenAPI documents.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database: str = "diglot.db"
    workers: int = 1
    strict: bool = False
    access_log: bool = False
    rate_limits: str = VENDOR_LIMITS
    upstreams: dict[str, str] = {}
    upstream_timeout: int = 60
    idle_timeout: int = 25
    body_timeout: int = 30
    webhook_targets: str = "public"
    trusted_proxies: int = 0
    secure_cookies: bool = False
    verify_every_hours: int = 24
    history_days: int = 30
    docs: bool = True

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


_KINDS: Final = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != _UPSTREAMS
}


def load_settings(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
    file: str | None = None,
    dialects: Collection[str] | None = None,
) -> Settings:
    """Return the settings; raise `Misconfigured` with one line that says what to fix.

    With `dialects`, an upstream of any other dialect is rejected.
    """
    path = file or environment.get(f"{ENVIRONMENT_PREFIX}CONFIG")
    layers = [
        {} if path is None else _read_file(Path(path)),
        _read_environment(environment),
        {name: value for name, value in flags.items() if value is not None},
    ]
    values: dict[str, Any] = {}
    for layer in layers:
        upstreams = values.get(_UPSTREAMS, {}) | layer.get(_UPSTREAMS, {})
        values |= layer | {_UPSTREAMS: upstreams}
    settings = Settings(**values)
    _check_dialects(settings, dialects)
    _check_settings(settings)
    return settings


def _check_settings(settings: Settings) -> None:
    if not 0 <= settings.port <= 65535:
        raise Misconfigured(f"port {settings.port} is not between 0 and 65535")
    if not 1 <= settings.workers <= 64:
        raise Misconfigured(f"workers {settings.workers} is not between 1 and 64")
    if not 0 <= settings.trusted_proxies <= 10:
        raise Misconfigured(f"trusted proxies {settings.trusted_proxies} is not between 0 and 10")
    limit = settings.rate_limits
    number = limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_REQUESTS))
    if limit not in (VENDOR_LIMITS, NO_LIMITS) and not (number and 1 <= int(limit) <= MAX_REQUESTS):
        raise Misconfigured(
            f"rate limits {limit!r} are neither {VENDOR_LIMITS}, {NO_LIMITS} nor a number from 1 "
            f"to {MAX_REQUESTS:,}"
        )
    for name in ("upstream_timeout", "idle_timeout", "body_timeout"):
        if not 1 <= (seconds := getattr(settings, name)) <= MAX_TIMEOUT_SECONDS:
            raise Misconfigured(
                f"{name.replace('_', ' ')} {seconds} is not from 1 to {MAX_TIMEOUT_SECONDS} s"
            )
    _check_background(settings)
    for dialect, url in settings.upstreams.items():
        _check_upstream(dialect, url)
    parse_allowed_targets(settings.webhook_targets)
    if not settings.host:
        raise Misconfigured("host is empty: use 127.0.0.1 for this machine only, 0.0.0.0 for all addresses")


def _check_background(settings: Settings) -> None:
    if not 0 <= settings.verify_every_hours <= MAX_VERIFY_HOURS:
        hours = settings.verify_every_hours
        raise Misconfigured(f"verify every hours {hours} is not from 0 (never) to {MAX_VERIFY_HOURS:,}")
    if not 1 <= settings.history_days <= MAX_HISTORY_DAYS:
        raise Misconfigured(f"history days {settings.history_days} is not from 1 to {MAX_HISTORY_DAYS:,}")


def _check_upstream(dialect: str, url: str) -> None:
    """Reject an upstream that is not an origin with an optional path; never print a password."""
    name = f"{dialect} upstream"
    if url and "@" in url:
        raise Misconfigured(f"{name}: leave user and password out, because callers send their own keys")
    match = _UPSTREAM_PATTERN.fullmatch(url)
    if url and (match is None or int(match["port"] or 1) not in range(1, 65536)):
        raise Misconfigured(f"{name} {url!r} is not a URL such as https://api.example.com, without a query")


def _check_dialects(settings: Settings, dialects: Collection[str] | None) -> None:
    for name in settings.upstreams:
        if dialects is not None and name not in dialects:
            raise Misconfigured(f"upstream of {name!r}: the dialects are {', '.join(dialects)}")


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return _convert_values(
        (name.removeprefix(ENVIRONMENT_PREFIX).lower(), value, name)
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name.removeprefix(ENVIRONMENT_PREFIX) not in _NOT_SETTINGS
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"settings file {str(path)!r}: {error}") from error
    upstreams = values.pop(_UPSTREAMS, {})
    if not isinstance(upstreams, dict):
        raise Misconfigured(f"{path}: {_UPSTREAMS}: expected a table of URLs by dialect")
    converted = _convert_values((key, value, f"{path}: {key}") for key, value in values.items())
    table = {
        name: _convert_value(str, url, f"{path}: {_UPSTREAMS}.{name}") for name, url in upstreams.items()
    }
    return converted | {_UPSTREAMS: converted[_UPSTREAMS] | table}


def _convert_values(given: Iterable[tuple[str, Any, str]]) -> dict[str, Any]:
    """Return the values of settings, each given as key, value, and where it is set."""
    values: dict[str, Any] = {}
    upstreams: dict[str, str] = {}
    older: dict[str, str] = {}
    for key, value, where in given:
        if key not in _KINDS and (upstream := _UPSTREAM_KEY.fullmatch(key)):
            url = _convert_value(str, value, where)
            (older if upstream["older"] else upstreams)[upstream["older"] or upstream["name"]] = url
        elif key in _KINDS:
            values[key] = _convert_value(_KINDS[key], value, where)
        else:
            raise Misconfigured(f"unknown setting {where}: {_suggest_key(key, where)}")
    return values | {_UPSTREAMS: older | upstreams}


def _suggest_key(key: str, where: str) -> str:
    every = [*_KINDS, "upstream_NAME"]
    near = difflib.get_close_matches(key, every, n=1, cutoff=0.5)
    known = [
        f"{ENVIRONMENT_PREFIX}{name.upper()}" if where.startswith(ENVIRONMENT_PREFIX) else name
        for name in near or every
    ]
    return f"did you mean {known[0]}?" if near else f"the settings are {', '.join(known)}"


def _convert_value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, str):
        if type(value) is kind:
            return value
        # The value may be a URL with a password.
        raise Misconfigured(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    if kind is bool:
        if value.lower() not in _TRUE_WORDS + _FALSE_WORDS:
            raise Misconfigured(f"{where}: expected true or false, got {value!r}")
        return value.lower() in _TRUE_WORDS
    if kind is int:
        if not (value.isascii() and value.isdigit()):
            raise Misconfigured(f"{where}: expected a whole number, got {value!r}")
        return int(value)
    return value
