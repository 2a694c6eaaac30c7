"""Renders parts of the documentation from data, so that the pages cannot drift: `python -m render` in tests/.

The text between the comments `rendered: NAME` and `/rendered` of a page comes from the function that
`pages.PARTS` lists under NAME. The pages in docs/truth are rendered as a whole.
"""
