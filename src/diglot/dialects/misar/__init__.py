"""Misar: the audience API of MisarMail, under `/mail/v1`."""
