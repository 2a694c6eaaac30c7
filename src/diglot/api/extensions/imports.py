"""Imports of files as jobs: upload a file, follow its progress, cancel it, fetch the rejected rows."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, get_args

import msgspec
from litestar.types import Method
from msgspec import UNSET

from diglot.api.annotations import Uuid, enumeration_schema, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.format import Count, ExtensionFormat, define_struct
from diglot.api.extensions.import_wire import MAX_NAME, ImportFile, ImportsQuery, UploadQuery, read_options
from diglot.api.imports.contact_file import LOWERING, check_import_options
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.reject_file import RejectFile
from diglot.api.imports.upload import open_upload
from diglot.api.imports.warnings.codes import ImportWarnings, show_warnings
from diglot.api.imports.warnings.values import list_warnings
from diglot.api.input.request import find_header
from diglot.api.input.request_body import check_headers, iterate_bytes, media_type
from diglot.api.operation import MEBIBYTE, Operation
from diglot.api.responses import StreamedFile
from diglot.model.ids import parse_id
from diglot.model.imports import ImportJob, ImportStatus
from diglot.model.pages import Window
from diglot.service.imports.jobs import DEFAULT_MAX_MEBIBYTES

TAG: Final = "contacts"
_CSV: Final = "text/csv"
_FORM: Final = "multipart/form-data"
_PATH: Final = "/imports"
_ONE_PATH: Final = "/imports/{import_id:str}"
SCHEMAS: Final = {
    "FileImportStatus": enumeration_schema(
        "How far an import is: its file is being sent, is ready until a person decides in the console "
        "how it is read, waits, is checked and imported, or the import has ended.",
        get_args(ImportStatus),
    ),
    "ImportPreset": enumeration_schema("A tool whose files are known.", tuple(PRESETS)),
    "LoweredStatus": enumeration_schema("A status to which an import lowers contacts.", LOWERING),
}


def build_endpoints(form: ExtensionFormat) -> tuple[Endpoint, ...]:
    """Return the endpoints of a dialect for imports of files."""
    answer = _Answer(form)
    return (
        Endpoint(answer.define_upload(), answer.create),
        Endpoint(
            answer.define(
                "listImports",
                _PATH,
                "List the imports of files, newest first (an extension)",
                query=ImportsQuery,
                response=answer.many,
            ),
            answer.list_page,
        ),
        Endpoint(
            answer.define("getImport", _ONE_PATH, "Get the progress of an import (an extension)"), answer.get
        ),
        Endpoint(answer.define_cancel(), answer.cancel),
        Endpoint(
            answer.define(
                "getRejectedRows",
                f"{_ONE_PATH}/rejects",
                "Get the rows that were not imported as a file to mend and import (an extension)",
                response=None,
                files=(_CSV,),
            ),
            answer.get_rejects,
        ),
    )


class _Answer:
    """Renders imports in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        data = _define_import(form)
        pagination = define_struct(
            "FileImportsPagination",
            "The position of the imports among all.",
            [("total", Count), ("limit", Count), ("offset", Count)],
        )
        self._data, self._pagination = data, pagination
        self.one = form.define_answer("FileImportAnswer", "An import.", data)
        many: Any = list[data]  # type: ignore[valid-type]
        self.many = form.define_answer(
            "FileImportsAnswer", "Imports, newest first.", many, ("pagination", pagination)
        )

    def define(self, id_: str, path: str, summary: str, method: Method = "GET", **more: Any) -> Operation:
        """Return an operation that answers with an import, unless `more` says otherwise."""
        settings = {"scope": self._form.read_scope, "response": self.one, "extension": True, **more}
        return Operation(id_, method, path, TAG, summary, **settings)

    def define_upload(self) -> Operation:
        """Return the operation that takes a file."""
        return self.define(
            "createImport",
            _PATH,
            "Upload a file of any size, which is imported in the background (an extension)",
            "POST",
            scope=self._form.write_scope,
            status=202,
            query=UploadQuery,
            other_bodies={_CSV: str, _FORM: ImportFile},
            max_bytes=DEFAULT_MAX_MEBIBYTES * MEBIBYTE,
            streams_body=True,
        )

    def define_cancel(self) -> Operation:
        """Return the operation that stops an import."""
        return self.define(
            "cancelImport",
            f"{_ONE_PATH}/cancel",
            "Stop an import; what it has imported stays (an extension)",
            "POST",
            scope=self._form.write_scope,
            may_conflict=True,
        )

    async def create(self, call: Call) -> msgspec.Struct:
        query = call.read_query(UploadQuery)
        options = read_options(query)
        check_import_options(options)
        check_headers(call.request, call.services.imports.max_bytes, call.operation.media_types)
        content_type = find_header(call.request, b"content-type") or ""
        is_form = media_type(call.request) == _FORM
        upload = await open_upload(iterate_bytes(call.request), content_type, is_form=is_form)
        if upload.charset is not None:
            options = msgspec.structs.replace(options, encoding=upload.charset)
            check_import_options(options)
        name = (upload.name or "")[:MAX_NAME] if query.name is UNSET else query.name
        job = await call.services.imports.upload(call.caller, name, options, upload.content)
        return self._answer(call, job)

    async def list_page(self, call: Call) -> msgspec.Struct:
        query = call.read_query(ImportsQuery)
        window = Window(query.offset, query.limit)
        found, total = await call.services.imports.list_page(call.caller, window)
        pagination = self._pagination(total=total, limit=query.limit, offset=query.offset)
        data = [self._show(call, job) for job in found]
        return self.many(**self._form.envelope, data=data, pagination=pagination)

    async def get(self, call: Call) -> msgspec.Struct:
        return self._answer(call, await self._find(call))

    async def cancel(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["import_id"])
        return self._answer(call, await call.services.imports.cancel(call.caller, id_))

    async def get_rejects(self, call: Call) -> StreamedFile:
        job = await self._find(call)
        return StreamedFile(_CSV, _iterate_rejects(call, job))

    async def _find(self, call: Call) -> ImportJob:
        return await call.services.imports.get(call.caller, parse_id(call.path_parameters["import_id"]))

    def _answer(self, call: Call, job: ImportJob) -> msgspec.Struct:
        return self.one(**self._form.envelope, data=self._show(call, job))

    def _show(self, call: Call, job: ImportJob) -> msgspec.Struct:
        progress, format_time = job.progress, self._form.format_time
        return self._data(
            id=job.id,
            status=job.status,
            name=job.name,
            size=job.size,
            total_rows=progress.total_rows if progress.is_checked else None,
            **{name: getattr(progress.counts, name) for name in _COUNTS},
            dry_run=job.options.dry_run,
            custom_fields=progress.custom_fields,
            error=job.error,
            created_at=format_time(job.created_at),
            updated_at=format_time(job.updated_at),
            warnings=UNSET if call.services.strict else show_warnings(list_warnings(progress)),
        )


_COUNTS: Final = ("rows", "created", "updated", "unchanged", "skipped", "refused", "unsubscribed")


async def _iterate_rejects(call: Call, job: ImportJob) -> AsyncIterator[bytes]:
    file = RejectFile(job.progress.header)
    yield file.encode_header()
    async for rows in call.services.imports.iterate_rejects(call.caller, job):
        yield file.encode_rows(rows)


def _define_import(form: ExtensionFormat) -> type[msgspec.Struct]:
    return define_struct(
        "FileImport",
        "An import of a file, with the numbers of its rows by what became of them.\n\n`rows` are done, of "
        "`total_rows`, which is null until the file is checked. `unsubscribed` counts rows that gave "
        "their contact another status than `subscribed`. `custom_fields` are the columns that are stored as "
        "custom fields. `error` says why a file was refused.\n\nA `dry_run` writes no contact, and counts "
        "what an import would do. One that is interrupted begins anew, so its counts may go back to 0.",
        [
            ("id", Uuid),
            ("status", Annotated[str, schema_ref("FileImportStatus")]),
            ("name", str),
            ("size", Count),
            ("total_rows", Count | None),
            *((name, Count) for name in _COUNTS),
            ("dry_run", bool),
            ("custom_fields", list[str]),
            ("error", str | None),
            ("created_at", form.time),
            ("updated_at", form.time),
            ("warnings", ImportWarnings, UNSET),
        ],
    )
