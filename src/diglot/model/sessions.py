"""Sessions: a person signed in to a workspace."""

from dataclasses import dataclass

from diglot.model.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is kept: the digest of its secret, never the secret. Instants in microseconds."""

    digest: str
    workspace: Workspace
    created_at: int
    expires_at: int
