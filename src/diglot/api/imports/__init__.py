"""Reads files of contacts, as other tools write them, into checked contacts.

Bytes become text and records (`delimited_text`), the header becomes roles of columns (`columns`), and the
cells of a row become the values of a contact (`rows`). Everything is read as a stream, so that the size of a
file does not matter.
"""
