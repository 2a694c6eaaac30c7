"""Compiles conditions to SQL predicates."""
