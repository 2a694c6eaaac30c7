"""Render the settings with their help texts."""

import re
from typing import Final

import click
import msgspec

from diglot.cli.serve import serve
from diglot.setting_sources import ENVIRONMENT_PREFIX
from diglot.settings import Settings
from render.markdown import code, table

_DEFAULT: Final = re.compile(r"\s*\[default: (.*)\]$")


def settings() -> str:
    """Return every setting as a flag and as a variable, with the help text of the flag."""
    options = {option.name: option for option in serve.params}
    rows = []
    for name in msgspec.structs.asdict(Settings()):
        if name == "upstreams":
            rows.append(_row(options["upstream"], "upstream_NAME"))
            rows += [_row(options[each], each) for each in options if each.endswith("_upstream")]
        else:
            rows.append(_row(options[name], name))
    return table(("flag", "variable", "what it sets", "default"), rows)


def _row(option: click.Parameter, variable: str) -> tuple[str, ...]:
    text = getattr(option, "help", "")
    found = _DEFAULT.search(text)
    assert found is not None, variable
    flags = " / ".join(map(code, [*option.opts, *option.secondary_opts]))
    return (flags, code(f"{ENVIRONMENT_PREFIX}{variable.upper()}"), _DEFAULT.sub("", text), found[1])
