"""The values of computed fields: what they are for a contact, at an instant."""
