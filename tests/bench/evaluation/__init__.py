"""Compares evaluators of conditions in one process, without a database."""
