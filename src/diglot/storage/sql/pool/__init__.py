"""How units of work get a connection: turns, threads, deadlines, and what failures mean."""
