"""Maps opt-out columns of an import to the status that they lower a contact to (semantics 26).

`columns`, `name_words` and `value_words` are data. An opt-out column never raises a status, and the
strictest of several statuses wins. An unknown value rejects the whole import, because a guess might
subscribe a contact that opted out.
"""
