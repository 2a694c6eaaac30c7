"""Servers under test, in this process or in one of their own, and the systems that they talk to."""
