"""Renders what the documentation takes from data, so that it cannot drift: `python -m render` in tests/.

Between the comments `rendered: NAME` and `/rendered` of a page stands what NAME makes; the pages of
docs/truth are rendered whole.
"""
