"""Settings: flags, then the environment (DIGLOT_*), then a file; anything unknown stops the start."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from diglot.errors import Misconfigured
from diglot.webhooks.allowed_targets import parse_allowed_targets

PREFIX: Final = "DIGLOT_"
VENDOR: Final = "vendor"
OFF: Final = "off"
MOST_REQUESTS: Final = 1_000_000
# Names in the environment that are not settings: the file of settings, and what tests read.
_NOT_SETTINGS: Final = ("CONFIG", "TEST_POSTGRESQL")
MOST_SECONDS: Final = 3600
MOST_HOURS: Final = 8_760
MOST_DAYS: Final = 3_650
_UPSTREAM: Final = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*|\[[0-9A-Fa-f:]+(?:\.[0-9.]+)?\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*/?"
)
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator can set.

    `database` is a file, `sqlite:///FILE` or `postgresql://...`; `rate_limits` is `vendor` for the figures of
    each vendor, `off`, or a number of requests that each key may make a minute with each call. An upstream
    is the URL that what Diglot does not serve of a dialect is passed on to, empty for none.
    `webhook_targets` says where deliveries may go: `public`, `any`, hosts, addresses and networks. `proxies`
    is how many reverse proxies stand before the server, each of which adds to X-Forwarded-For. The server
    closes a connection when no whole head of a request arrives within `idle_timeout` seconds, and refuses a
    body after `body_timeout` seconds, beside a second for each 32 KiB of it. Every dynamic
    segment is verified once in `verify_hours`, 0 for never; who entered and left is kept for `history_days`.
    `docs` says whether `/docs` and the OpenAPI documents are served.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database: str = "diglot.db"
    workers: int = 1
    strict: bool = False
    access_log: bool = False
    rate_limits: str = VENDOR
    misar_upstream: str = ""
    topmail_upstream: str = ""
    upstream_timeout: int = 60
    idle_timeout: int = 25
    body_timeout: int = 30
    webhook_targets: str = "public"
    proxies: int = 0
    secure_cookies: bool = False
    verify_hours: int = 24
    history_days: int = 30
    docs: bool = True

    @property
    def requests_a_minute(self) -> int | None:
        """What replaces the vendors' figures: 0 for no limit at all, None for the figures themselves."""
        return None if self.rate_limits == VENDOR else 0 if self.rate_limits == OFF else int(self.rate_limits)


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: str | None = None
) -> Settings:
    """Return the settings; raise `Misconfigured` with one line that says what to mend."""
    path = file or environment.get(f"{PREFIX}CONFIG")
    values = {
        **({} if path is None else _from_file(Path(path))),
        **_from_environment(environment),
        **{name: value for name, value in flags.items() if value is not None},
    }
    settings = Settings(**values)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if not 0 <= settings.port <= 65535:
        raise Misconfigured(f"port {settings.port} is not between 0 and 65535")
    if not 1 <= settings.workers <= 64:
        raise Misconfigured(f"workers {settings.workers} is not between 1 and 64")
    if not 0 <= settings.proxies <= 10:
        raise Misconfigured(f"proxies {settings.proxies} is not between 0 and 10")
    limit = settings.rate_limits
    number = limit.isascii() and limit.isdigit() and len(limit) <= len(str(MOST_REQUESTS))
    if limit not in (VENDOR, OFF) and not (number and 1 <= int(limit) <= MOST_REQUESTS):
        raise Misconfigured(
            f"rate limits {limit!r} are neither {VENDOR}, {OFF} nor a number from 1 to {MOST_REQUESTS:,}"
        )
    for name in ("upstream_timeout", "idle_timeout", "body_timeout"):
        if not 1 <= (seconds := getattr(settings, name)) <= MOST_SECONDS:
            raise Misconfigured(f"{name.replace('_', ' ')} {seconds} is not from 1 to {MOST_SECONDS} s")
    _check_upkeep(settings)
    _check_upstream("misar", settings.misar_upstream)
    _check_upstream("topmail", settings.topmail_upstream)
    parse_allowed_targets(settings.webhook_targets)
    if not settings.host:
        raise Misconfigured("host is empty: use 127.0.0.1 for this machine only, 0.0.0.0 for all addresses")


def _check_upkeep(settings: Settings) -> None:
    if not 0 <= settings.verify_hours <= MOST_HOURS:
        raise Misconfigured(f"verify hours {settings.verify_hours} is not from 0 (never) to {MOST_HOURS:,}")
    if not 1 <= settings.history_days <= MOST_DAYS:
        raise Misconfigured(f"history days {settings.history_days} is not from 1 to {MOST_DAYS:,}")


def _check_upstream(dialect: str, url: str) -> None:
    """Refuse what is not an origin, but for a plain path before all others; never print a password."""
    name = f"{dialect} upstream"
    if url and "@" in url:
        raise Misconfigured(f"{name}: leave user and password out, since callers send their own keys")
    match = _UPSTREAM.fullmatch(url)
    if url and (match is None or int(match["port"] or 1) not in range(1, 65536)):
        raise Misconfigured(f"{name} {url!r} is not a URL such as https://api.example.com, without a query")


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives these settings, for worker processes."""
    values = msgspec.structs.asdict(settings)
    return {f"{PREFIX}{name.upper()}": _written(value) for name, value in values.items()}


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _NOT_SETTINGS:
            key = name.removeprefix(PREFIX).lower()
            found[key] = _typed(key, value, name)
    return found


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"settings file {str(path)!r}: {error}") from error
    return {key: _typed(key, value, f"{path}: {key}") for key, value in values.items()}


def _typed(key: str, value: Any, where: str) -> Any:
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    if key not in kinds:
        near = difflib.get_close_matches(key, kinds, n=1, cutoff=0.5)
        known = [f"{PREFIX}{name.upper()}" if where.startswith(PREFIX) else name for name in near or kinds]
        hint = f"did you mean {known[0]}?" if near else f"the settings are {', '.join(known)}"
        raise Misconfigured(f"unknown setting {where}: {hint}")
    kind = kinds[key]
    if isinstance(value, bool) or not isinstance(value, str):
        if type(value) is kind:
            return value
        raise Misconfigured(f"{where}: expected {kind.__name__}, got {value!r}")
    if kind is bool:
        if value.lower() not in _TRUE + _FALSE:
            raise Misconfigured(f"{where}: expected true or false, got {value!r}")
        return value.lower() in _TRUE
    if kind is int:
        if not (value.isascii() and value.isdigit()):
            raise Misconfigured(f"{where}: expected a whole number, got {value!r}")
        return int(value)
    return value
