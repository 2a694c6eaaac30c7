"""Runs every story of tests/spec/http against the app on every database."""

import pytest

from support.engines import POOLED_TOO, Database
from support.openapi.exchanges import Story, load_stories
from support.openapi.http_examples import StepResult, run_story, run_story_alone
from support.servers.in_process import Server
from tools import openapi_examples

STORIES = load_stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.file)
@POOLED_TOO  # the last, so that all stories of a database come together and share their app
async def test_story(database: Database, server: Server, story: Story) -> None:
    """Each request gets its expected response, to the order of the keys, and the document describes it.

    A step marked as an example equals the one in the document; `python -m tools.openapi_examples` updates
    these.
    """
    results = await _run(story, database, server)
    faults = [item.fault for item in results if item.fault] or openapi_examples.differences(results)
    assert not faults, "\n".join(faults)


async def _run(story: Story, database: Database, server: Server) -> list[StepResult]:
    """Run a story on the app that all share, one with settings on an app of its own."""
    if not story.settings:
        return await run_story(story, server)
    async with database.fresh() as url:
        return await run_story_alone(story, url)
