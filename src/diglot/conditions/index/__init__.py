"""The index of predicates, which tells for one contact the conditions that it matches."""
