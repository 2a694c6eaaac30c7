"""A request for a page, as the handlers of pages see it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request

from diglot.api.authentication import CSRF_HEADER, read_session_cookie, refuse_cross_site
from diglot.api.imports.upload import FileForm, open_file_form
from diglot.api.input import request_body
from diglot.api.input.request import find_header
from diglot.api.responses import EXTRA_HEADERS, StreamedFile, StreamedResponse
from diglot.console import templates
from diglot.console.answers import Html
from diglot.console.forms import MAX_BYTES, MEDIA_TYPES, Form, parse_form
from diglot.dialects.registry import DIALECTS
from diglot.errors import CrossSiteWrite, Unauthenticated
from diglot.model.workspaces import Caller, Session
from diglot.service.access import sessions
from diglot.service.services import Services
from diglot.settings import Settings

_SCOPES: Final = tuple(sorted({scope for dialect in DIALECTS for scope in dialect.key_format.scopes}))
CSRF_FIELD: Final = "csrf_token"
FILE_FORM: Final = "multipart/form-data"
# The pages that each page leads to, and their paths.
NAVIGATION: Final = (
    ("Segments", "/console"),
    ("Contacts", "/console/contacts"),
    ("Import and export", "/console/imports"),
    ("Activity", "/console/activity"),
    ("Webhooks", "/console/webhooks"),
    ("Keys", "/console/keys"),
    ("Operator", "/console/operator"),
)


@dataclass(slots=True)
class Visit:
    """One request: what it asks for, and who asks.

    `parameters` are those of the path. Without a session `secret` and `session` are None.
    """

    request: Request[Any, Any, Any]
    services: Services
    settings: Settings
    parameters: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None
    session: Session | None = None
    _form: Form | None = None
    _file_form: FileForm | None = None

    async def recognize(self) -> None:
        """Find the session of the browser, if it has one that is still valid."""
        self.secret = read_session_cookie(self.request)
        if self.secret is None:
            return
        try:
            self.session = await self.services.sessions.find(self.secret)
        except Unauthenticated:
            self.secret = None

    @property
    def caller(self) -> Caller:
        """The person who is signed in; raise `Unauthenticated`."""
        if self.session is None:
            raise Unauthenticated
        return sessions.session_caller(self.session, _SCOPES)

    @property
    def path(self) -> str:
        """The path of the request."""
        path: str = self.request.scope["path"]
        return path

    @property
    def query(self) -> Form:
        """The query string."""
        return parse_form(self.request.scope["query_string"])

    @property
    def is_part(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return find_header(self.request, b"hx-request") is not None

    @property
    def csrf_token(self) -> str:
        """The token that writes in this session send, empty without a session."""
        return "" if self.secret is None else sessions.compute_csrf_token(self.secret)

    async def read_form(self) -> Form:
        """Return the form in the body; raise `InvalidInput` and what `request_body` raises."""
        if self._form is None:
            request_body.check_headers(self.request, MAX_BYTES, MEDIA_TYPES)
            self._form = parse_form(await request_body.read_bytes(self.request, MAX_BYTES))
        return self._form

    async def open_file_form(self) -> FileForm:
        """Return the form in the body up to its file, which is read as it arrives.

        Raise `MalformedRequest` or `UnsupportedMediaType`.
        """
        if self._file_form is None:
            request_body.check_media_type(self.request, (FILE_FORM,))
            content_type = find_header(self.request, b"content-type") or ""
            self._file_form = await open_file_form(request_body.iterate_bytes(self.request), content_type)
        return self._file_form

    async def require_own_write(self) -> None:
        """Raise `CrossSiteWrite` for a write that our own pages did not send."""
        refuse_cross_site(self.request)
        if self.secret is None:
            raise Unauthenticated
        token = find_header(self.request, CSRF_HEADER.lower().encode())
        if token is None:
            token = await self._read_token()
        if not sessions.csrf_token_matches(self.secret, token):
            raise CrossSiteWrite("The form is from another session: open the page again")

    async def _read_token(self) -> str:
        """Return the token in the form; that of a form with a file precedes the file."""
        media_type = request_body.media_type(self.request)
        if media_type == FILE_FORM:
            return (await self.open_file_form()).fields.get(CSRF_FIELD, "")
        return (await self.read_form()).get(CSRF_FIELD) if media_type in MEDIA_TYPES else ""

    def show(self, template: str, *, status: int = 200, **values: Any) -> Html:
        """Return a page or a part of one."""
        common = {
            "visit": self,
            "home": None if self.session is None else self.session.workspace,
            "csrf_token": self.csrf_token,
            "navigation": NAVIGATION,
        }
        clock = templates.WallClock("UTC" if self.session is None else self.session.workspace.time_zone)
        return Html(templates.render(template, clock, **common, **values), status)

    def send_file(self, name: str, media_type: str, parts: AsyncIterator[bytes]) -> StreamedResponse:
        """Return a file that the browser saves, sent while it is made."""
        scope: Any = self.request.scope
        disposition = f'attachment; filename="{name}"'.encode("ascii")
        scope[EXTRA_HEADERS].append((b"content-disposition", disposition))
        return StreamedResponse(200, StreamedFile(media_type, parts))


def read_page_number(form: Form) -> int:
    """Return the number of the page that a query asks for, from 1."""
    return form.get_number("page", 1, 1_000_000)
