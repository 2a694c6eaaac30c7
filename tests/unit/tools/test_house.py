"""The counts of the house describe a tree, and several trees side by side."""

from pathlib import Path

from tools import house

HELPER = '''"""Speaks of job_title and of misar."""


def find():
    """Return the postgresql row."""  # sqlite
    return None


def find_row(contact):
    return contact.job_title if contact.kind == "in_last_days" else Misar
'''


def _figures(modules: dict[str, str], folder: Path) -> dict[str, house.Figure]:
    for path, text in modules.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return {figure.title: figure for figure in house.count(house.read(folder))}


def test_what_counts_as_a_word(tmp_path: Path) -> None:
    """Names and strings count, docstrings and comments do not; a fact's own files are separate."""
    metrics = _figures(
        {
            "storage/__init__.py": '"""Rows."""\n',
            "storage/helper.py": HELPER,
            "storage/sql/sqlite.py": 'NAME = "sqlite"\n',
            "dialects/misar/words.py": "import misar_words\n",
        },
        tmp_path,
    )
    assert metrics["modules"].value == "4"
    assert metrics["  without __init__"].value == "3"
    assert metrics["largest folder: modules"].value == "2 (storage)"
    assert metrics["functions with a one-word name"].value == "50%"
    assert metrics["files that know field job_title"].files == ("storage/helper.py",)
    assert metrics["files that know database by name"].files == ("storage/sql/sqlite.py",)
    assert metrics["files that know dialect by name"].files == (
        "dialects/misar/words.py",
        "storage/helper.py",
    )
    assert metrics["  outside: database by name"].files == ()
    assert metrics["  outside: dialect by name"].files == ("storage/helper.py",)


def test_each_tree_is_a_column(tmp_path: Path) -> None:
    """The table has one column for each tree."""
    one = list(_figures({"a/one.py": "", "a/two.py": ""}, tmp_path / "one").values())
    two = list(_figures({"alone.py": "def f(): pass\n"}, tmp_path / "two").values())
    lines = house.table([one, two]).splitlines()
    assert len(lines) == len(one) == len(two)
    assert lines[1].split() == ["modules", "2", "1"]
