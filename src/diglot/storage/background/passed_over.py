"""What background work passes over for a while: nodes that do not answer, and workspaces that fail."""

from typing import Final

from diglot.clock import Clock

# What failed is passed over for this time, counted from the end of the failure.
PASS_OVER: Final = 60_000_000
# A node that nobody has asked again for this time is forgotten.
_FORGOTTEN_AFTER: Final = 3 * PASS_OVER
# The work of failures that concern every kind of work.
EVERY_KIND: Final = ""


class PassedOver:
    """When each node and each workspace failed; a workspace for one kind of work, or for every kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._workspaces: dict[tuple[str, int], int] = {}
        self._nodes: dict[int, int] = {}

    def add_workspace(self, work: str, workspace: int) -> None:
        """Pass over a workspace from now on."""
        self._workspaces[work, workspace] = self._clock()

    def add_node(self, node: int) -> None:
        """Pass over a node from now on, until it has answered again."""
        self._nodes[node] = self._clock()

    def forget_node(self, node: int) -> None:
        """Use a node again, because it answered."""
        self._nodes.pop(node, None)

    def has_node(self, node: int | None) -> bool:
        """Tell whether a node failed, and has not answered since."""
        return node in self._nodes

    def is_to_be_tried(self, node: int | None) -> bool:
        """Tell whether a node failed long enough ago to be asked again."""
        return node in self._nodes and not self.is_recent(self._nodes[node])

    def has_workspace(self, work: str, workspace: int) -> bool:
        """Tell whether a kind of work passes over a workspace."""
        return any(self.is_recent(self._workspaces.get((kind, workspace))) for kind in (EVERY_KIND, work))

    def is_empty(self, work: str) -> bool:
        """Tell whether a kind of work passes over nothing."""
        self._workspaces = {key: since for key, since in self._workspaces.items() if self.is_recent(since)}
        # Nobody asks a node again whose workspaces went to another process, or that was removed.
        self._nodes = {
            node: since
            for node, since in self._nodes.items()
            if since <= self._clock() < since + _FORGOTTEN_AFTER
        }
        return not self._nodes and not any(kind in (EVERY_KIND, work) for kind, _ in self._workspaces)

    def is_recent(self, since: int | None) -> bool:
        """Tell whether an instant is less than the time to pass over ago."""
        # A clock that was set back must not make this last.
        return since is not None and since <= self._clock() < since + PASS_OVER
