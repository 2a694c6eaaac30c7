"""Looks up paths in the routes of the app: their shapes and their methods."""

from collections.abc import Callable, Sequence

from litestar.routes import BaseRoute


def path_shape(route: BaseRoute) -> tuple[str | None, ...]:
    """Return the parts of a route's path, None for a parameter."""
    return tuple(part if isinstance(part, str) else None for part in route.path_components)


def allowed_methods_lookup(routes: Sequence[BaseRoute]) -> Callable[[str], tuple[str, ...] | None]:
    """Return a function that returns the methods of a path, None if no route has it."""
    table: list[tuple[tuple[str | None, ...], tuple[str, ...]]] = []
    for route in routes:
        methods = {*getattr(route, "methods", ()), "OPTIONS"}
        table.append((path_shape(route), tuple(sorted(methods | ({"HEAD"} if "GET" in methods else set())))))

    def allowed(path: str) -> tuple[str, ...] | None:
        parts = tuple(part for part in path.split("/") if part)
        # A literal part wins over a parameter, as in routing.
        for shape, methods in sorted(table, key=lambda row: sum(part is None for part in row[0])):
            if len(shape) == len(parts) and all(
                want in (None, part) for want, part in zip(shape, parts, strict=True)
            ):
                return methods
        return None

    return allowed
