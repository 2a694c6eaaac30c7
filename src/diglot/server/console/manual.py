"""The pages of the documentation: which files of the package they are, and where each is served.

A wheel has the files in `manual_files/`, in the folders of the repository (`pyproject.toml`); a checkout has
them where they are written. Nothing is read before the first page is asked for.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from diglot.dialects.registry import DIALECTS

PAGES_PATH: Final = "/docs"
FILES_PATH: Final = "/docs/files"
_PACKED: Final = Path(__file__).with_name("manual_files")
_REPOSITORY: Final = Path(__file__).parents[4]
# Pages by the part of the manual to which they belong: the file, its name, and what it is about.
SECTIONS: Final[Sequence[tuple[str, Sequence[tuple[str, str, str]]]]] = (
    (
        "Begin",
        (
            ("README.md", "Overview", "What it is and what it serves"),
            ("docs/start.md", "Start", "In five minutes from an empty folder to a segment"),
        ),
    ),
    (
        "Move",
        (
            *(
                (f"docs/move-{one.name}.md", f"Move a {one.title} client", "What to change, and what differs")
                for one in DIALECTS
            ),
            ("docs/import.md", "Import a file", "From another tool, with a dry run"),
        ),
    ),
    (
        "Use",
        (
            ("docs/segments.md", "Segments by example", "Rules in the words of both vendors"),
            ("docs/conditions.md", "What conditions mean", "Each operator and field, row by row"),
            ("docs/follow.md", "Follow a segment", "Who is in it, why, and who was; webhooks"),
            ("docs/export.md", "Export", "Contacts, segments and whole workspaces as files"),
            ("docs/sdks.md", "SDKs", "Clients that generators make from the documents"),
            ("docs/errors.md", "Errors", "What each answer means, and what to do"),
            ("DIFFERENCES.md", "Differences from the vendors", "Every call, numbered"),
        ),
    ),
    (
        "Operate",
        (
            ("docs/operate.md", "Operate", "Settings, upgrades, backups, metrics, proxies"),
            ("docs/scale.md", "Plan for 100 million contacts", "Machines, disks and times"),
            ("SECURITY.md", "Report a weakness", "To whom, and what then"),
            ("CHANGELOG.md", "Changelog", "What changed in each version"),
        ),
    ),
    (
        "Develop",
        (
            ("docs/architecture.md", "Architecture", "A tour of the code"),
            ("docs/decisions/README.md", "Decisions", "Why it is built as it is"),
        ),
    ),
)
# Folders of pages to which only other pages lead.
FOLDERS: Final = ("truth", "decisions")
# Files to which pages link, which are sent as they are.
FILES: Final = (
    "docs/deploy/diglot.service",
    "docs/deploy/litestream.yml",
    "docs/monitoring/alerts.yml",
    "docs/monitoring/grafana.json",
)
# Where a link to something else of the repository leads here; without a place it is no link.
_ELSEWHERE: Final = {"openapi": PAGES_PATH}


class Manual(msgspec.Struct, frozen=True):
    """The files under a folder, with their paths on the server."""

    folder: Path
    paths: Mapping[str, str]

    def read(self, file: str) -> str:
        """Return the text of a file."""
        return (self.folder / file).read_text(encoding="utf-8")

    def find_file(self, path: str) -> str | None:
        """Return the file that is served at a path."""
        return next((file for file, served in self.paths.items() if served == path), None)

    def resolve(self, page: str, link: str) -> str | None:
        """Return where a link of a page leads; None if the server does not have it."""
        target, hash_, anchor = link.partition("#")
        if not target or "://" in target:
            return link
        file = _join(page, target)
        path = self.paths.get(file, _ELSEWHERE.get(file))
        return None if path is None else path + hash_ + anchor


@cache
def open_manual() -> Manual:
    """Return the manual of this installation."""
    folder = _PACKED if _PACKED.is_dir() else _REPOSITORY
    others = [
        f"docs/{name}/{file.name}"
        for name in FOLDERS
        for file in sorted((folder / "docs" / name).glob("*.md"))
    ]
    named = [file for _, pages in SECTIONS for file, *_ in pages]
    paths = {file: _path_of(file) for file in (*named, *others)}
    return Manual(folder, paths | {file: f"{FILES_PATH}/{PurePosixPath(file).name}" for file in FILES})


def _path_of(file: str) -> str:
    """Return the path of a page, such as `/docs/truth/equals`."""
    return f"{PAGES_PATH}/{file.removeprefix('docs/').removesuffix('.md').lower()}"


def _join(page: str, target: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / target).parts:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)
