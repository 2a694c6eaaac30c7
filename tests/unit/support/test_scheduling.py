"""One worker runs the tests that share something, or must not run at the same time."""

from support.paths import TESTS
from support.scheduling import _ALONE, _DIVIDED, ALONE, FAULTS, is_fast, turn_of, unit_of


def test_a_module_is_a_unit_for_each_database() -> None:
    """Its fixtures are created once for each database."""
    one, other = (f"tests/storage/test_truth.py::test_a[{name}-x: y]" for name in ("sqlite", "postgresql"))
    assert unit_of(one) == "storage/test_truth sqlite"
    assert unit_of(other) == "storage/test_truth postgresql"
    assert unit_of("tests/unit/api/test_bodies.py::test_b") == "unit/api/test_bodies "


def test_a_divided_module_is_a_unit_for_each_case() -> None:
    """All databases are in one unit, because their expected values are computed once."""
    units = {unit_of(f"tests/storage/test_random.py::test_r[{name}-3]") for name in ("sqlite", "postgresql")}
    assert len(units) == 1
    assert unit_of("tests/storage/test_random.py::test_r[sqlite-4]") not in units


def test_tests_of_many_processes_are_one_unit() -> None:
    """They do not run in parallel, and they begin before all others; faults are a second such unit."""
    crash, rivals = (
        "tests/processes/test_crash.py::test_kills[sqlite]",
        "tests/processes/test_processes.py::a",
    )
    assert unit_of(crash) == unit_of(rivals) == ALONE
    fault, guide = "tests/faults/test_b.py::b", "tests/docs/test_guide.py::test_a_page[README.md]"
    assert unit_of("tests/abuse/test_a.py::a[sqlite]") == ALONE
    assert unit_of(fault) == unit_of("tests/faults/test_c.py::c[postgresql]") == FAULTS
    assert turn_of(crash) < turn_of(fault) < turn_of(guide)
    assert turn_of("tests/storage/test_truth.py::a") < turn_of("tests/unit/api/test_bodies.py::test_b")


def test_fast_tests_have_no_server() -> None:
    """They need neither PostgreSQL nor a process of Diglot."""
    assert is_fast("tests/unit/conditions/test_tree.py::test_a")
    assert is_fast("tests/dialects/test_stories.py::test_story[sqlite-misar.json]")
    assert not is_fast("tests/dialects/test_stories.py::test_story[postgresql-misar.json]")
    assert not is_fast("tests/processes/test_cli.py::test_a")


def test_the_listed_modules_exist() -> None:
    """A renamed module must be renamed in the list of units too."""
    for module in (*_ALONE, *_DIVIDED):
        assert (TESTS / f"{module}.py").is_file(), module
