"""Tenancy holds by construction: a workspace is never passed, bound or chosen beside its transaction."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest

from tools.house import SOURCE, Module, read

MODULES = read(SOURCE)
WORKSPACE_NAMES = ("workspace", "in_workspace")
STATEMENT_CALLS = ("fetch_all", "fetch_one", "execute", "execute_many")
# Functions that bind a workspace into a statement by hand.
BINDS_WORKSPACES = {
    "storage/tenant.py:_bind": "every other statement of a workspace is bound here",
    "storage/tenant.py:fetch_point": "a read of one row has no transaction that a tenant could hold",
    "storage/bulk.py:_insert_rows": "each of several rows of a statement names the bound workspace",
    "storage/workspaces.py:create": "the workspace begins to exist with this row",
    "request_record.py:describe_caller": "a log line names the workspace",
    "service/contacts/personal_data.py:export": "an export names its workspace",
}
# Functions that choose the workspace of a tenant.
MAKES_TENANTS = {
    "storage/tenant.py:bind_workspace": "units of work on one workspace begin here",
    "background/retention.py:_find_long_logs": "one read looks at the long logs of all workspaces",
    "service/access/keys.py:_list_keys": "one read lists the keys of all workspaces",
    "service/access/keys.py:work": "the workspace of a new key may begin to exist with it",
}


def test_only_a_tenant_has_a_transaction_and_a_workspace() -> None:
    """A function that needs both takes a `Tenant`, so its caller cannot pass another workspace."""
    assert list(_taking_both(MODULES)) == ["storage/tenant.py:Tenant"]


def test_tenants_alone_bind_workspaces() -> None:
    """The exceptions are still needed."""
    assert set(_binding_workspaces(MODULES)) == set(BINDS_WORKSPACES)


def test_tenants_are_made_in_few_places() -> None:
    """All other functions get a tenant, and cannot leave its workspace."""
    assert set(_making_tenants(MODULES)) == set(MAKES_TENANTS)


@pytest.mark.parametrize(
    "text",
    [
        "async def find(transaction: Transaction, workspace: int): ...",
        "class Reader:\n    def find(self, tx: 'Transaction', *, workspace: int): ...",
        "class Reader:\n    transaction: Transaction\n    workspace: int",
    ],
)
def test_a_separate_workspace_is_found(text: str) -> None:
    """The rule covers methods, keywords and fields, whatever a transaction is called."""
    assert list(_taking_both([Module("storage/new.py", text)]))


@pytest.mark.parametrize(
    "line",
    [
        "transaction.execute(_INSERT, {'workspace': 7})",
        "tenant.execute(_UPDATE, in_workspace=number)",
        "values['workspace'] = 7",
    ],
)
def test_a_workspace_bound_by_hand_is_found(line: str) -> None:
    """A dictionary, a keyword and a later assignment would each override the tenant."""
    module = Module("storage/new.py", f"def store(values):\n    {line}")
    assert list(_binding_workspaces([module])) == ["storage/new.py:store"]


def _taking_both(modules: Iterable[Module]) -> Iterator[str]:
    """Yield the functions and classes with a transaction and the number of a workspace."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                fields = _annotations(node)
                types = {ast.unparse(kind).strip("'\"") for kind in fields.values() if kind is not None}
                if "workspace" in fields and "Transaction" in types:
                    yield f"{module.path}:{node.name}"


def _annotations(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> Mapping[str, ast.expr | None]:
    """Return the annotations of the parameters of a function, or of the fields of a class, by name."""
    if isinstance(node, ast.ClassDef):
        fields = (item for item in node.body if isinstance(item, ast.AnnAssign))
        return {ast.unparse(item.target): item.annotation for item in fields}
    arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return {argument.arg: argument.annotation for argument in arguments}


def _binding_workspaces(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        if not module.path.startswith("storage/schema/"):
            yield from _functions_with(module, _binds_workspace)


def _binds_workspace(node: ast.AST) -> bool:
    match node:
        case ast.Dict(keys=keys):
            return any(isinstance(key, ast.Constant) and key.value in WORKSPACE_NAMES for key in keys)
        case ast.Call(func=ast.Attribute(attr=name), keywords=keywords) if name in STATEMENT_CALLS:
            return any(keyword.arg in WORKSPACE_NAMES for keyword in keywords)
        case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Store()):
            return name in WORKSPACE_NAMES
        case _:
            return False


def _making_tenants(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        yield from _functions_with(module, _makes_tenant)


def _makes_tenant(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "Tenant"


def _functions_with(module: Module, is_found: Callable[[ast.AST], bool]) -> Iterator[str]:
    """Yield the innermost functions around the nodes that are found."""
    for function in module.iterate_functions():
        inner = {id(node) for each in _inner_functions(function) for node in ast.walk(each)}
        if any(is_found(node) for node in ast.walk(function) if id(node) not in inner):
            yield f"{module.path}:{function.name}"


def _inner_functions(function: ast.AST) -> list[ast.AST]:
    every = (node for node in ast.walk(function) if node is not function)
    return [node for node in every if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
