"""API keys: what each may do, when it was last used, a new one with its secret, and revocation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from litestar.types import ASGIApp

from diglot.api.dialect import Dialect
from diglot.conditions import dates
from diglot.console.answers import Html, Redirect
from diglot.console.forms import Form
from diglot.console.pages.ops.dialects import find_dialect
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.errors import InvalidInput, LimitReached
from diglot.model.ids import parse_id
from diglot.model.workspaces import ApiKey, KeyOptions
from diglot.service.access.keys import MAX_NAME_LENGTH, check_name, resolve_expiry

KEYS: Final = "/console/keys"
# Of keys that have ended; the operator's commands can make any number.
MAX_SHOWN: Final = 200
_MAX_DATE: Final = 40


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key with its dialect: the scopes in words, and those that open no call here."""

    key: ApiKey
    dialect: Dialect
    permits: Sequence[tuple[str, str]]
    elsewhere: Sequence[str]
    is_valid: bool


async def show_list(visit: Visit) -> ASGIApp:
    """Show the keys of the workspace, those that work first."""
    now = visit.services.keys.clock()
    shown = [
        _describe(key, dialect, now)
        for dialect in DIALECTS
        for key in await visit.services.client_keys.list_all(visit.caller, dialect.key_format)
    ]
    shown.sort(key=lambda one: (one.key.created_at, one.key.id), reverse=True)
    valid = [one for one in shown if one.is_valid]
    ended = [one for one in shown if not one.is_valid]
    return visit.show("ops/keys.html", valid=valid, ended=ended, most=MAX_SHOWN, dialects=DIALECTS)


def _describe(key: ApiKey, dialect: Dialect, now: int) -> ShownKey:
    words = dialect.scope_words
    permits = [(scope, words[scope]) for scope in key.scopes if scope in words]
    elsewhere = [scope for scope in key.scopes if scope not in words]
    return ShownKey(key, dialect, permits, elsewhere, key.is_valid_at(now))


async def show_form(visit: Visit) -> Html:
    """Show the form of a new key, with the scopes that a key has by default."""
    dialect = find_dialect(visit)
    return _show_form(visit, dialect, Form(), dialect.key_format.default_scopes, [])


async def create(visit: Visit) -> Html:
    """Create a key, and show its secret, which is not shown again."""
    dialect, form = find_dialect(visit), await visit.read_form()
    scopes = tuple(dict.fromkeys(value for name, value in form.pairs if name == "scope"))
    try:
        options = _read_options(visit, form)
        if not scopes:
            raise InvalidInput.at(("scopes",), "Choose at least one thing that the key may do.")
        chosen = dialect.key_format.check_scopes(scopes)
        secret, key = await visit.services.client_keys.create(
            visit.caller, dialect.key_format, chosen, options
        )
    except InvalidInput as error:
        faults = [fault.message for fault in error.faults]
        return _show_form(visit, dialect, form, scopes, faults, status=400)
    except LimitReached as reached:
        faults = [f"{reached}. Revoke a key that nobody uses, then create this one."]
        return _show_form(visit, dialect, form, scopes, faults, status=409)
    base = str(visit.request.base_url).rstrip("/") + dialect.prefix
    return visit.show("ops/key_created.html", dialect=dialect, secret=secret, key=key, base=base)


def _show_form(  # noqa: PLR0913, PLR0917 - what the page shows
    visit: Visit,
    dialect: Dialect,
    form: Form,
    scopes: Sequence[str],
    faults: Sequence[str],
    status: int = 200,
) -> Html:
    others = [scope for scope in dialect.key_format.scopes if scope not in dialect.scope_words]
    return visit.show(
        "ops/key_new.html",
        status=status,
        dialect=dialect,
        form=form,
        chosen=frozenset(scopes),
        others=others,
        faults=faults,
        max_name=MAX_NAME_LENGTH,
    )


def _read_options(visit: Visit, form: Form) -> KeyOptions:
    """Return the name and the end of a new key; raise `InvalidInput`."""
    name, day = form.get("name").strip(), form.get("expires").strip()
    check_name(name)
    if not day:
        return KeyOptions(name)
    parsed = dates.parse(day) if len(day) <= _MAX_DATE else None
    if parsed is None:
        raise InvalidInput.at(("expires",), "The end of a key is a day such as 2027-05-03.")
    assert visit.session is not None, "the page is not public"
    return KeyOptions(
        name, None, resolve_expiry(parsed, visit.session.workspace, visit.services.keys.clock())
    )


async def revoke(visit: Visit) -> Redirect:
    """Revoke a key; it stays in the list."""
    dialect = find_dialect(visit)
    await visit.services.client_keys.revoke(
        visit.caller, dialect.key_format, parse_id(visit.parameters["id"])
    )
    return Redirect(KEYS)
