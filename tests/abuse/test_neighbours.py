"""One workspace takes all that it can get, and a newcomer of another is answered meanwhile.

`python -m bench neighbours` does the same for longer, and measures what the other workspace notices.
"""

import asyncio
import signal

import pytest

from bench.neighbours.attacks import ATTACKS
from bench.neighbours.measurement import attacking, begin_attack, end_attack, watching_memory
from bench.neighbours.report import MOST_MEMORY
from support.engines import DATABASES, Database
from support.newcomer import newcomer
from support.reporting import Tally
from support.servers.process import running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try each attack on one of the databases in turn, and with `--full` on each of them."""
    is_full = metafunc.config.getoption("full")
    cases = [
        pytest.param(database, attack, id=f"{database.name}-{attack}")
        for number, attack in enumerate(ATTACKS)
        for place, database in enumerate(DATABASES)
        if is_full or place == number % len(DATABASES)
    ]
    metafunc.parametrize(("attacked", "attack"), cases)


@pytest.mark.one_in(2)
async def test_a_neighbour_is_answered(
    attacked: Database, attack: str, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Large segments, dry runs, imports and unread answers do not keep others out, nor fill the memory."""
    # The server is killed, because requests that nobody waits for any more may keep it from stopping.
    async with attacked.fresh() as url, running(url, leaves=-signal.SIGKILL) as live:
        try:
            async with (
                attacking(live, attack, pytestconfig.getoption("abuse_contacts")) as attacker,
                newcomer(live) as other,
                watching_memory(live) as peaks,
            ):
                begin_attack(attacker)
                await asyncio.sleep(pytestconfig.getoption("abuse_seconds"))
                answers = await end_attack(attacker)
        finally:
            live.kill()
    assert answers, "the attack did not take place"
    assert peaks["Pss"] < MOST_MEMORY
    tally("calls of newcomers beside an attack", attacked.name, len(other.answers))
