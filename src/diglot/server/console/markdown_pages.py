"""Renders the Markdown of the documentation as HTML, with anchors, copy buttons and links of this server."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Returns where a link leads here, or None if the server does not have its target.
Resolve = Callable[[str], str | None]
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")
_COMMENT: Final = re.compile(r"\s*<!--.*?-->\s*", re.DOTALL)
_HIGHEST_LISTED: Final = 2


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level from 1 on, its text, and its anchor."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """The title of a page, the headings that its list of contents has, and its HTML."""

    title: str
    contents: Sequence[Heading]
    html: str


def render_page(text: str, resolve: Resolve) -> RenderedPage:
    """Render a page. Its HTML is passed on, because the text is part of this package."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    for kind, rule in _RULES.items():
        markdown.add_render_rule(kind, rule)
    tokens = markdown.parse(text)
    headings = list(_name_headings(tokens))
    for token in tokens:
        _resolve_links(token.children or (), resolve)
    title = next((heading.text for heading in headings if heading.level == 1), "")
    contents = [heading for heading in headings if heading.level == _HIGHEST_LISTED]
    return RenderedPage(title, contents, markdown.renderer.render(tokens, markdown.options, {}))


def _name_headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Give each heading the anchor that it has where the repository is shown, and yield it."""
    used: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            anchor = _NOT_IN_ANCHORS.sub("", text.lower()).replace(" ", "-")
            number = used.get(anchor, 0)
            used[anchor] = number + 1
            anchor = f"{anchor}-{number}" if number else anchor
            token.attrSet("id", anchor)
            yield Heading(int(token.tag[1:]), text, anchor)


def _resolve_links(tokens: Sequence[Token], resolve: Resolve) -> None:
    """Let links lead to this server; what it does not have is no link."""
    stays = True
    for token in tokens:
        if token.type == "link_open":
            path = resolve(str(token.attrGet("href")))
            stays = path is not None
            token.attrs = {"href": path} if path is not None else {"title": "In the repository of Diglot"}
        if token.type in ("link_open", "link_close") and not stays:
            token.tag = "span"


def _render_code(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Show a block of code with a button that copies it."""
    del renderer, options, env
    code = f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>'
    return f'<div class="code">{code}<button type="button" class="quiet" data-copy>Copy</button></div>\n'


def _open_table(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Let a wide table scroll by itself, by keys, too."""
    del renderer, tokens, index, options, env
    return '<div class="wide" tabindex="0"><table>\n'


def _close_table(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    del renderer, tokens, index, options, env
    return "</table></div>\n"


def _close_heading(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """End a heading with a link to itself."""
    del renderer, options, env
    tag, anchor = tokens[index].tag, tokens[index - 2].attrGet("id")
    link = f' <a class="anchor" href="#{escape(str(anchor))}" aria-label="Link to this part">#</a>'
    return f"{'' if tag == 'h1' else link}</{tag}>\n"


def _render_html(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Leave out comments, which are for the tools of the repository."""
    del renderer, options, env
    return _COMMENT.sub("", tokens[index].content)


_RULES: Final[Mapping[str, Callable[..., str]]] = {
    "fence": _render_code,
    "code_block": _render_code,
    "table_open": _open_table,
    "table_close": _close_table,
    "heading_close": _close_heading,
    "html_block": _render_html,
    "html_inline": _render_html,
}
