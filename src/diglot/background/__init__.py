"""Background work of a server process: the clock, first evaluations, verification, retention."""
