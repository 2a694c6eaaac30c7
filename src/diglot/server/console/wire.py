"""Request and response bodies of the console."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.service.access import passwords


class SignIn(msgspec.Struct, frozen=True):
    """What a person signs in with."""

    workspace: Annotated[str, Meta(max_length=100)]
    password: Annotated[str, Meta(max_length=passwords.MAX_LENGTH)]


class SessionAnswer(msgspec.Struct, frozen=True):
    """The signed-in workspace, when the session expires, and the CSRF token for writes."""

    workspace: str
    time_zone: str
    signed_in_at: str
    expires_at: str
    csrf_token: str


class SignedOut(msgspec.Struct, frozen=True):
    """The session has ended."""

    signed_in: bool


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of an error response; `fields` maps invalid properties of the request body to messages."""

    error: str
    fields: dict[str, str] | UnsetType = UNSET
