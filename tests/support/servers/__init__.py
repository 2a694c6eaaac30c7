"""Servers under test, in this process or in one of their own, and the parties that they talk to."""
