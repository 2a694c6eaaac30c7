"""The engine that knows which contact is in which segment, and keeps it current with writes and time."""
