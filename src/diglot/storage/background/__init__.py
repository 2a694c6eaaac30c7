"""Rows of background work: leases, due work, verifications, metrics."""
