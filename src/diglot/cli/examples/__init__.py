"""The example contacts and segments of `diglot demo`."""
