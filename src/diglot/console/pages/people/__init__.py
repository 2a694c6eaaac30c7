"""Pages about contacts: search, one contact, editing, requests of a person, and who moved where."""
