"""Answers about segments that follow from stored memberships: no condition of a stored one is evaluated."""
