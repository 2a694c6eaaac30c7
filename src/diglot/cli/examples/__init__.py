"""The example contacts of `diglot demo`; its segments stand in the dialects."""
