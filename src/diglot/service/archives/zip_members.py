"""Reads the files in a ZIP file that somebody else may have made: a short one whole, a long one by lines.

A megabyte can unpack to a gigabyte, so nothing is read beyond a limit, whatever size the ZIP file claims.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

_BUFFER_BYTES: Final = 1 << 20
# Other methods unpack what they get as a whole.
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_whole(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return the content of a file of so many bytes at most; raise `KeyError`, or `BadZipFile`."""
    if archive.getinfo(name).file_size > limit:
        raise _too_long(name, limit)
    with _open(archive, name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _too_long(name, limit)
    return content


def iterate_lines(archive: zipfile.ZipFile, name: str, limit: int) -> Iterator[bytes]:
    """Yield the lines of a file, each of so many bytes at most; raise `KeyError`, or `BadZipFile`."""
    with _open(archive, name) as file:
        lines = io.BufferedReader(file, _BUFFER_BYTES)  # type: ignore[type-var]
        while line := lines.readline(limit + 1):
            if len(line) > limit:
                raise _too_long(f"a line of {name}", limit)
            yield line


def _open(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    method = archive.getinfo(name).compress_type
    if method not in _METHODS:
        raise zipfile.BadZipFile(f"{name} is packed by another method ({method})")
    return cast(BinaryIO, archive.open(name))


def _too_long(what: str, limit: int) -> zipfile.BadZipFile:
    return zipfile.BadZipFile(f"{what} is longer than {limit} bytes")
