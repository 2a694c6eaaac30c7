"""What ends the answer to a client that does not take it."""


class ClientGone(Exception):
    """The client closed the connection or stopped reading."""
