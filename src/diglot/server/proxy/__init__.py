"""Forwards requests that Diglot does not serve to the upstream of their dialect, unchanged."""
