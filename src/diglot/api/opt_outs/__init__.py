"""Columns of an import that speak of opting out -> the status that they lower a contact to (semantics 26).

`columns`, `name_words` and `value_words` are data. A column of this kind never raises a status. Of several
statuses the strictest wins. A value that is not understood refuses the whole import, because a guess might
subscribe somebody who left.
"""
