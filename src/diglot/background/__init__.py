"""The task of a server process that keeps things up, and what an operator sees of it."""
