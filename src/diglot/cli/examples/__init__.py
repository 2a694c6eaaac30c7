"""The example contacts of `diglot demo`; the dialects define its segments."""
