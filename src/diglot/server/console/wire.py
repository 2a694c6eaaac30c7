"""Shapes of the console's own calls."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.service.access import passwords


class SignIn(msgspec.Struct, frozen=True):
    """What a person signs in with."""

    workspace: Annotated[str, Meta(max_length=100)]
    password: Annotated[str, Meta(max_length=passwords.MAX_LENGTH)]


class SessionAnswer(msgspec.Struct, frozen=True):
    """Who is signed in, until when, and what a page sends with each write."""

    workspace: str
    time_zone: str
    signed_in_at: str
    expires_at: str
    csrf_token: str


class SignedOut(msgspec.Struct, frozen=True):
    """Nobody is signed in."""

    signed_in: bool


class ErrorBody(msgspec.Struct, frozen=True):
    """Any error; `fields` says which members of the body are at fault."""

    error: str
    fields: dict[str, str] | UnsetType = UNSET
