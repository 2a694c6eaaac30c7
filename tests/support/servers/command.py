"""The command that starts a server process, and its environment."""

import os
import sys


def server_command(url: str, *options: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command and the environment of a server on a migrated database.

    Requests are not counted unless a test wants it; the last of two flags wins.
    """
    serve = ("-m", "diglot", "serve", "--port", "0", "--database", url, "--rate-limits", "off")
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    return (sys.executable, *serve, *options), settings
