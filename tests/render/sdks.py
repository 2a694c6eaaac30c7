"""Render the commands that generate the SDKs, and excerpts of the example programs that use them."""

import re
import textwrap
from itertools import pairwise
from typing import Final

from render.markdown import code, table
from sdks.generators import HERE, SDKS, Sdk, filled, pinned

# The mark of blocks that the SDK tests run.
TOLD: Final = "in the tests of SDKs"
# The excerpt of an example program begins after this heading and ends at the next one.
_SHOWN: Final = "== What other rules would find"
_HEADING: Final = re.compile(r"[\"']== ")


def lines() -> str:
    """Return a line for the first SDK of each language."""
    first: dict[str, Sdk] = {}
    for sdk in SDKS:
        first.setdefault(sdk.language, sdk)
    return "".join(f"- {language}: {code(_command(sdk))}\n" for language, sdk in first.items())


def overview() -> str:
    """Return the table of SDKs and generators for docs/sdks.md."""
    rows = ((sdk.language, f"[{sdk.name}](#{_anchor(sdk)})", _generator(sdk)) for sdk in SDKS)
    return table(("language", "SDK", "generator"), rows)


def checks() -> str:
    """Return the table of commands that the tests run, for tests/sdks/README.md."""
    rows = (
        (
            sdk.name,
            _generator(sdk),
            *(_shown(*commands) for commands in ([sdk.generate], sdk.checks, [sdk.run])),
            ", ".join(sdk.packages),
        )
        for sdk in SDKS
    )
    return table(("SDK", "generator", "generate", "check types", "run", "Debian packages"), rows)


def part(sdk: Sdk) -> str:
    """Return the command that generates an SDK, and an excerpt of its example program."""
    story = f"tests/sdks/{sdk.name}/{filled(sdk.story, 'misar')}"
    return (
        f"<!-- {TOLD} -->\n```sh\n{_command(sdk)}\n```\n\n"
        f"From [the example program](../{story}):\n\n"
        f"<!-- {TOLD} -->\n```{sdk.language.lower()}\n{_excerpt(sdk)}\n```\n"
    )


def _shown(*commands: str) -> str:
    return "<br>".join(code(filled(command, "misar")) for command in commands)


def _command(sdk: Sdk) -> str:
    return filled(sdk.generate, "misar")


def _excerpt(sdk: Sdk) -> str:
    text = (HERE / sdk.name / filled(sdk.story, "misar")).read_text("utf-8")
    _, _, after = text.partition(_SHOWN)
    shown = after.splitlines()[1:]
    end = next(number for number, line in enumerate(shown) if _HEADING.search(line))
    return textwrap.dedent("\n".join(shown[:end])).strip()


def _generator(sdk: Sdk) -> str:
    """Return the generator of an SDK with its version."""
    name, *options = sdk.generate.split()
    if name != "npx":
        return code(f"{name}=={pinned()[name]}")
    return code([option for before, option in pairwise(options) if before == "-p"][-1])


def _anchor(sdk: Sdk) -> str:
    return f"{sdk.language}-{sdk.name}".lower()
