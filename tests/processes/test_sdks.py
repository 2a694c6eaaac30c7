"""SDKs made from the OpenAPI documents: what generators say of these, types, a whole story with each.

All stories of a dialect print the same lines, in whatever language: `tests/sdks/misar.txt`, `topmail.txt`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.metadata import version

import pytest
import pytest_asyncio

from sdks.generators import DIALECTS, HERE, SDKS, filled, pinned
from sdks.made import Made, make
from support.engines import SQLITE
from support.servers.process import Live, running

pytestmark = pytest.mark.sdks
PAIRS = [(sdk, dialect) for sdk in SDKS for dialect in DIALECTS]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[Live]:
    """Lend a server process on one database: that both are the same is what the server's own tests say."""
    async with SQLITE.fresh() as url, running(url) as found:
        yield found


@pytest.fixture(scope="session", params=PAIRS, ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return each SDK of each dialect, made by the command that people type."""
    sdk, dialect = request.param
    return make(sdk, dialect, tmp_path_factory.mktemp(f"{sdk.name}-{dialect}"))


@pytest.mark.parametrize(("name", "wanted"), pinned().items())
def test_the_generator_is_the_one_that_is_pinned(name: str, wanted: str) -> None:
    """What is promised of an SDK is promised of the output of one version."""
    assert version(name) == wanted


def test_the_generator_has_nothing_to_say(made: Made) -> None:
    """It says what it always says and what `docs/sdks.md` tells of: no part of a document surprises it."""
    said = made.said
    for remark in made.sdk.remarks:
        said = re.sub(filled(remark, made.dialect), "", said, flags=re.MULTILINE)
    assert said.strip() == ""


def test_the_types_hold(made: Made) -> None:
    """The story and the code that was made, as strictly as the language can be."""
    for command in made.sdk.checks:
        made.run(command)


async def test_the_story(made: Made, server: Live, request: pytest.FixtureRequest) -> None:
    """Whoever tells the story, and in whichever language, has the same to tell."""
    live = replace(server, workspace=request.node.name[:100])
    settings = {"DIGLOT_URL": live.base, "DIGLOT_KEY": await live.key(made.dialect)}
    told = await asyncio.to_thread(made.run, made.sdk.run, settings)
    assert told == (HERE / f"{made.dialect}.txt").read_text("utf-8")
