"""Hooks into the file operations of an SQLite library, without a compiler: they change its table of methods.

SQLite reaches files through a structure of function pointers (sqlite.org/vfs.html), of which each copy of the
library has its own. `install` replaces a few of them with functions that call the original and tell a
`Hooks`. The others, such as reads and locks, stay those of the library, so that hooked processes run at their
usual speed.
"""

import atexit
import ctypes
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

_EXTENSIONS: Final = {"sqlite3": "_sqlite3", "pysqlite3.dbapi2": "pysqlite3._sqlite3"}
_OPEN: Final = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p),
)
_DELETE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_WRITE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_UNFETCH: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


def _pointers(*names: str) -> list[tuple[str, Any]]:
    return [(name, ctypes.c_void_p) for name in names]


class _Vfs(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("version", "file_size", "longest_path")),
        *_pointers("next", "name", "data"),
        *_pointers("open", "delete"),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        *_pointers("close", "read", "write", "truncate", "sync", "file_size", "lock", "unlock"),
        *_pointers("is_reserved", "control", "sector_size", "characteristics"),
        *_pointers("shm_map", "shm_lock", "shm_barrier", "shm_unmap", "fetch", "unfetch"),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class Hooks:
    """What is told of the files of SQLite: after an operation that succeeded, except for `before_unfetch`."""

    def created(self, path: str) -> None:
        """Take note of a file that was opened, and perhaps created."""

    def written(self, path: str, offset: int, content: bytes) -> None:
        """Take note of bytes that were written."""

    def truncated(self, path: str, size: int) -> None:
        """Take note of a file that was cut to a size."""

    def synced(self, path: str) -> None:
        """Take note that all earlier writes of a file are on the disk."""

    def deleted(self, path: str, is_synced: bool) -> None:
        """Take note of a file that was deleted, and whether its folder was synced."""

    def before_unfetch(self, path: str) -> None:
        """Act before SQLite drops its mapping of a file, as it does within a checkpoint."""


@dataclass
class _Installed:
    """Hooks in one library, with everything that must outlive its calls."""

    hooks: Hooks
    vfs: _Vfs
    paths: dict[int, str] = field(default_factory=dict)
    changed: dict[int, _Methods] = field(default_factory=dict)
    callbacks: list[Any] = field(default_factory=list)
    unhooked: list[tuple[ctypes.Structure, bytes]] = field(default_factory=list)

    def keep(self, callback: Any) -> int | None:
        """Return the address of a function that must stay."""
        self.callbacks.append(callback)
        return ctypes.cast(callback, ctypes.c_void_p).value

    def unhook(self) -> None:
        """Give the original functions back, because the interpreter ends before the last file is closed."""
        for structure, content in self.unhooked:
            ctypes.memmove(ctypes.addressof(structure), content, len(content))

    def change_vfs(self) -> None:
        """Replace how files are opened and deleted."""
        vfs = self.vfs
        self.unhooked.append((vfs, bytes(vfs)))
        really_open, really_delete = _OPEN(vfs.open), _DELETE(vfs.delete)

        # SQLite reads what lies before and after a name in memory, so its address is passed on, not a copy.
        def open_(this: int, name: int | None, file: int, flags: int, out: int | None) -> int:
            status: int = really_open(this, name, file, flags, out)
            if status == 0 and name is not None:
                self.paths[file] = ctypes.string_at(name).decode()
                self._change_file(ctypes.cast(file, ctypes.POINTER(_File)).contents)
                self.hooks.created(self.paths[file])
            return status

        def delete(this: int, name: int, is_synced: int) -> int:
            status: int = really_delete(this, name, is_synced)
            if status == 0:
                self.hooks.deleted(ctypes.string_at(name).decode(), bool(is_synced))
            return status

        vfs.open, vfs.delete = self.keep(_OPEN(open_)), self.keep(_DELETE(delete))

    def _change_file(self, file: _File) -> None:
        """Give a file methods that tell the hooks."""
        original = ctypes.addressof(file.methods.contents)
        if original not in self.changed:
            self.changed[original] = self._changed(file.methods.contents)
        file.methods = ctypes.pointer(self.changed[original])

    def _changed(self, original: _Methods) -> _Methods:
        result = _Methods.from_buffer_copy(original)
        self.unhooked.append((result, bytes(original)))
        # Files that are open at the end of the process still point to it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
        hooks, paths = self.hooks, self.paths

        def write(file: int, content: int, size: int, offset: int) -> None:
            hooks.written(paths[file], offset, ctypes.string_at(content, size))

        result.write = self._after(_WRITE, original.write, write)
        result.truncate = self._after(
            _TRUNCATE, original.truncate, lambda file, size: hooks.truncated(paths[file], size)
        )
        result.sync = self._after(_SYNC, original.sync, lambda file, flags: hooks.synced(paths[file]))
        really_unfetch = _UNFETCH(original.unfetch)

        def unfetch(file: int, offset: int, page: int | None) -> int:
            if not page:
                hooks.before_unfetch(paths[file])
            status: int = really_unfetch(file, offset, page)
            return status

        result.unfetch = self.keep(_UNFETCH(unfetch))
        return result

    def _after(self, kind: Any, address: int, tell: Callable[..., None]) -> int | None:
        really = kind(address)

        def call(*values: Any) -> int:
            status: int = really(*values)
            if status == 0:
                tell(*values)
            return status

        return self.keep(kind(call))


def install(module: ModuleType, hooks: Hooks) -> None:
    """Add hooks to the library behind a DB-API module, for the files that it opens from now on."""
    atexit.register(_hook(module, hooks).unhook)


@contextmanager
def hooked(module: ModuleType, hooks: Hooks) -> Iterator[None]:
    """Add hooks for the files that are opened and closed in the block."""
    installed = _hook(module, hooks)
    try:
        yield
    finally:
        installed.unhook()


def _hook(module: ModuleType, hooks: Hooks) -> _Installed:
    # The symbols of the library are found through the extension module that is linked to it.
    library = ctypes.CDLL(importlib.import_module(_EXTENSIONS[module.__name__]).__file__)
    library.sqlite3_initialize()
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    installed = _Installed(hooks, library.sqlite3_vfs_find(None).contents)
    installed.change_vfs()
    return installed
