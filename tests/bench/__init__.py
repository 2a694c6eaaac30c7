"""Benchmarks that print tables of ratios; no test asserts a time. See `python -m bench --help` in tests/."""
