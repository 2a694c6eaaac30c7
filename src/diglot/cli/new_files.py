"""Files that a command creates: complete under their name, or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from diglot.errors import Misconfigured


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write, which gets its name at the end of the block; nobody but the owner may read it.

    Raise `Misconfigured` if there is such a file, or if it cannot be written.
    """
    if path.exists():
        raise Misconfigured(f"{str(path)!r} exists already: name a new file")
    partial = Path(f"{path}.partial")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(f"{str(path)!r} cannot be written: {error}") from error
