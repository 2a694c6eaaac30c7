"""Reads the form of a page as a browser does: the names and values that it would send."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

_TEXTLESS = ("checkbox", "radio", "submit", "button", "image", "reset", "file")


@dataclass
class PageForm:
    """The names and values of a form in order."""

    pairs: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str:
        """Return the first value of a name."""
        return next(value for key, value in self.pairs if key == name)

    def names(self) -> set[str]:
        """Return all names."""
        return {name for name, _ in self.pairs}

    def fill(self, *sent: tuple[str, str], **named: str) -> "PageForm":
        """Return the form with other values, which replace all of their names."""
        new = [*sent, *named.items()]
        names = {name for name, _ in new}
        return PageForm([*(pair for pair in self.pairs if pair[0] not in names), *new])


class _Reader(HTMLParser):
    def __init__(self, id_: str) -> None:
        super().__init__()
        self.id, self.is_inside, self.form = id_, False, PageForm()
        self.text: list[str] | None = None
        self.name = ""
        self.options: list[tuple[str, bool]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_inside = given.get("id") == self.id
        if not self.is_inside:
            return
        if tag == "option" and self.options is not None:
            self.options.append((given["value"], "selected" in given))
        name = given.get("name", "")
        if not name:
            return
        kind = given.get("type", "text")
        if tag == "select":
            self.name, self.options = name, []
        elif tag == "textarea":
            self.name, self.text = name, []
        elif tag == "input" and (kind not in _TEXTLESS or "checked" in given):
            self.form.pairs.append((name, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.is_inside = False
        if tag == "select" and self.options is not None:
            chosen = [value for value, is_selected in self.options if is_selected]
            first = [value for value, _ in self.options[:1]]
            self.form.pairs += [(self.name, value) for value in (chosen[-1:] or first)]
            self.options = None
        if tag == "textarea" and self.text is not None:
            # The first line end belongs to the tag.
            self.form.pairs.append((self.name, "".join(self.text).removeprefix("\n")))
            self.text = None

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)


def read_page_form(page: str, id_: str) -> PageForm:
    """Return the form with an id in a page."""
    reader = _Reader(id_)
    reader.feed(page)
    reader.close()
    assert reader.form.pairs, page[:2_000]
    return reader.form


def as_sent(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return names and values with the line ends that a browser sends."""
    return [(name, value.replace("\n", "\r\n")) for name, value in pairs]
