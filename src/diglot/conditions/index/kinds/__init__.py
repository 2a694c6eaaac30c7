"""The kinds of look-ups: what each kind of question asks of one reading of a contact."""
