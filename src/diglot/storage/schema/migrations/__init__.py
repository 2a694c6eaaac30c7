"""The schema history: see `diglot.storage.schema.migrate`."""
