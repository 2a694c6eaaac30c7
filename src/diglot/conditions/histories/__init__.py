"""Fields that are computed of the single events of a contact, because a rule says which of them count."""
