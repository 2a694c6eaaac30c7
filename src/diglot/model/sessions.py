"""Browser sessions: a person signed in to a workspace."""

from dataclasses import dataclass

from diglot.model.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """A stored session.

    `digest` is computed from its secret, which is not stored. Instants in microseconds.
    """

    digest: str
    workspace: Workspace
    created_at: int
    expires_at: int
