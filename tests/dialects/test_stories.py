"""Runs every story of tests/spec/http against the app on every database."""

import pytest

from support.engines import POOLED_TOO, Database
from support.openapi.exchanges import Story, load_stories
from support.openapi.http_examples import run_story
from tools import openapi_examples

pytestmark = POOLED_TOO
STORIES = load_stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.file)
async def test_story(database: Database, story: Story) -> None:
    """Each request gets its expected response, to the order of the keys, and the document describes it.

    A step marked as an example equals the one in the document; `python -m tools.openapi_examples` updates
    these.
    """
    async with database.fresh() as url:
        results = await run_story(story, url)
    faults = [item.fault for item in results if item.fault] or openapi_examples.differences(results)
    assert not faults, "\n".join(faults)
