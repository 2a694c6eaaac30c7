"""Warnings about what an import reads, in its answers (semantics 35).

A warning never changes what is imported. Of each code there are at most `MOST_WARNINGS`.
"""
