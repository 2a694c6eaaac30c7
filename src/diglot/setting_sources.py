"""Reads settings from flags, else the environment (DIGLOT_*), else a file. An unknown one is an error."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from diglot.errors import Misconfigured
from diglot.settings import NO_LIMITS, SETTINGS, UPSTREAMS, VENDOR_LIMITS, Setting, Settings
from diglot.storage.connect import is_embedded
from diglot.storage.database_urls import STATEMENT_CACHE, require_readable, write_statement_cache
from diglot.webhooks.allowed_targets import parse_allowed_targets

ENVIRONMENT_PREFIX: Final = "DIGLOT_"
# Names in the environment that are not settings: the settings file, and a variable for tests.
_NOT_SETTINGS: Final = ("CONFIG", "TEST_POSTGRESQL")
# The upstream of a dialect, in the environment or a file; the second form is the older one.
_UPSTREAM_KEY: Final = re.compile(r"upstream_(?P<name>[a-z0-9]+)|(?P<older>[a-z0-9]+)_upstream")
_TRUE_WORDS: Final = ("1", "true", "yes", "on")
_FALSE_WORDS: Final = ("0", "false", "no", "off")
MAX_REQUESTS: Final = 1_000_000
_UPSTREAM_PATTERN: Final = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*|\[[0-9A-Fa-f:]+(?:\.[0-9.]+)?\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*/?"
)


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
        upstreams = values.get(UPSTREAMS, {}) | layer.get(UPSTREAMS, {})
        values |= layer | {UPSTREAMS: upstreams}
    settings = Settings(**values)
    _check_dialects(settings, dialects)
    _check_settings(settings)
    return _write_statement_cache(settings)


def _check_settings(settings: Settings) -> None:
    """Raise `Misconfigured` for a value that is out of range or cannot be read."""
    for setting in SETTINGS.values():
        if setting.kind is int:
            _check_range(setting, getattr(settings, setting.name))
        elif setting.choices and (value := getattr(settings, setting.name)) not in setting.choices:
            raise Misconfigured(
                f"{setting.name.replace('_', ' ')} {value!r} is not one of {', '.join(setting.choices)}"
            )
    limit = settings.rate_limits
    number = limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_REQUESTS))
    if limit not in (VENDOR_LIMITS, NO_LIMITS) and not (number and 1 <= int(limit) <= MAX_REQUESTS):
        raise Misconfigured(
            f"rate limits {limit!r} are neither {VENDOR_LIMITS}, {NO_LIMITS} nor a number from 1 "
            f"to {MAX_REQUESTS:,}"
        )
    for dialect, url in settings.upstreams.items():
        _check_upstream(dialect, url)
    require_readable(settings.database)
    parse_allowed_targets(settings.webhook_targets)
    if not settings.host:
        raise Misconfigured("host is empty: use 127.0.0.1 for this machine only, 0.0.0.0 for all addresses")


def _write_statement_cache(settings: Settings) -> Settings:
    """Return the settings with a URL that says how to connect, because that is all most code gets."""
    if settings.statement_cache == STATEMENT_CACHE or is_embedded(settings.database):
        return settings
    url = write_statement_cache(settings.database, settings.statement_cache)
    return msgspec.structs.replace(settings, database=url)


def _check_range(setting: Setting, value: int) -> None:
    assert setting.minimum is not None, f"{setting.name} has no range"
    assert setting.maximum is not None, f"{setting.name} has no range"
    if not setting.minimum <= value <= setting.maximum:
        unit = "" if setting.unit is None else f" {setting.unit}"
        raise Misconfigured(
            f"{setting.name.replace('_', ' ')} {value} is not from {setting.minimum} "
            f"to {setting.maximum}{unit}"
        )


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
        values = msgspec.toml.decode(path.read_bytes())
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Misconfigured(f"settings file {str(path)!r}: {error}") from error
    upstreams = values.pop(UPSTREAMS, {})
    if not isinstance(upstreams, dict):
        raise Misconfigured(f"{path}: {UPSTREAMS}: expected a table of URLs by dialect")
    converted = _convert_values((key, value, f"{path}: {key}") for key, value in values.items())
    table = {name: _convert_value(str, url, f"{path}: {UPSTREAMS}.{name}") for name, url in upstreams.items()}
    return converted | {UPSTREAMS: converted[UPSTREAMS] | table}


def _convert_values(given: Iterable[tuple[str, Any, str]]) -> dict[str, Any]:
    """Return the values of settings, each given as key, value, and where it is set."""
    values: dict[str, Any] = {}
    upstreams: dict[str, str] = {}
    older: dict[str, str] = {}
    for key, value, where in given:
        if key not in SETTINGS and (upstream := _UPSTREAM_KEY.fullmatch(key)):
            url = _convert_value(str, value, where)
            (older if upstream["older"] else upstreams)[upstream["older"] or upstream["name"]] = url
        elif key in SETTINGS:
            values[key] = _convert_value(SETTINGS[key].kind, value, where)
        else:
            raise Misconfigured(f"unknown setting {where}: {_suggest_key(key, where)}")
    return values | {UPSTREAMS: older | upstreams}


def _suggest_key(key: str, where: str) -> str:
    every = [*SETTINGS, "upstream_NAME"]
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
