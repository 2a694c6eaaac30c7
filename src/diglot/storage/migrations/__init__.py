"""The schema history: see `diglot.storage.migrate`."""
