"""Citus, the extension that makes several PostgreSQL servers one database: which table is on which node."""
