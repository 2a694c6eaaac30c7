"""Every unit of work of a workspace names it, so that no workspace queues with another's."""

import ast
from collections.abc import Iterable, Iterator

import pytest

from tools.house import SOURCE, Module, read

MODULES = read(SOURCE)
# Where requests of clients become units of work; background work shares one turn.
SERVES_CLIENTS = "service/"
BINDS = ("bind_workspace", "lock_workspace")
# What only commands use: the class and its module. A command may read a whole workspace, so it takes the
# engine of background work, which has no deadline.
COMMANDS = {
    "Workspaces": "service/access/workspaces.py",
    "WorkspaceRemoval": "service/access/workspace_removal.py",
    "PersonalData": "service/contacts/personal_data.py",
    "Archives": "service/archives/archives.py",
    "LocalImports": "service/imports/local.py",
}


def test_units_of_requests_name_their_workspace() -> None:
    """A unit without a key would share the turns of all that belongs to no workspace."""
    every = [module for module in MODULES if module.path.startswith(SERVES_CLIENTS)]
    modules = [module for module in every if module.path not in COMMANDS.values()]
    assert len(every) == len(modules) + len(COMMANDS)
    assert list(_without_key(modules)) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_have_no_deadline_of_requests(name: str) -> None:
    """Each use is in a command, or in what only commands use, with the engine of background work."""
    uses = list(_uses_of(name))
    assert any(path.startswith("cli/") for path, _ in uses)
    assert {use for use in uses if use[0] not in COMMANDS.values()} == {
        (path, "engine.in_background()") for path, _ in uses if path.startswith("cli/")
    }
    assert {engine for path, engine in uses if path in COMMANDS.values()} <= {"self.engine"}


@pytest.mark.parametrize("method", ["read", "write"])
def test_a_unit_without_a_key_is_found(method: str) -> None:
    """The rule covers units that are bound in the call or before it."""
    for text in (
        f"def f(self): self.engine.{method}(lock_workspace(7, clock, work))",
        f"def f(engine): unit = bind_workspace(7, work); engine.{method}(unit)",
    ):
        assert list(_without_key([Module("service/new.py", text)])) == ["service/new.py:f"]
        keyed = text.replace("unit)", "unit, workspace=7)").replace("work))", "work), workspace=7)")
        assert list(_without_key([Module("service/new.py", keyed)])) == []


def _uses_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield where a class is made, with the engine that it gets."""
    for module in (each for each in MODULES if f"{name}(" in each.text):
        for function in module.iterate_functions():
            lines = [ast.unparse(line) for line in ast.walk(function) if isinstance(line, ast.Assign)]
            renamed = "engine = engine.in_background()" in lines
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                    engine = ast.unparse(node.args[0])
                    yield module.path, "engine.in_background()" if renamed and engine == "engine" else engine


def _without_key(modules: Iterable[Module]) -> Iterator[str]:
    """Yield the functions that bind a workspace and run a unit without its key."""
    for module in modules:
        for function in module.iterate_functions():
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            binds = any(ast.unparse(call.func) in BINDS for call in calls)
            if binds and any(_runs_without_key(call) for call in calls):
                yield f"{module.path}:{function.name}"


def _runs_without_key(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=engine, attr="read" | "write") if ast.unparse(engine).endswith("engine"):
            is_bound = isinstance(call.args[0], ast.Name) or any(name in ast.unparse(call) for name in BINDS)
            return is_bound and all(keyword.arg != "workspace" for keyword in call.keywords)
        case _:
            return False
