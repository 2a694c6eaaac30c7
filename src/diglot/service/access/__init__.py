"""Use cases of keys, sessions, rate limits, idempotency and workspaces."""
