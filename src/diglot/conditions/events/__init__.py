"""Events in conditions: what the events of a contact add up to, and the fields that are computed of them."""
