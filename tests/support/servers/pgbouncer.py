"""pgbouncer in transaction mode: few sessions of a PostgreSQL server for many connections."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

# For each database; more requests than this run at a time.
SESSIONS: Final = 3
SECONDS: Final = 10
# A number that names the socket; nothing listens on a port.
_PORT: Final = 6432
_SETTINGS: Final = """
[databases]
* = host={host} user=postgres

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
pidfile = {folder}/pid
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 1000
"""


class Pgbouncer:
    """A pooler before the server at a URL, which it reaches by a socket."""

    def __init__(self, server_url: str) -> None:
        [host] = parse_qs(urlsplit(server_url).query)["host"]
        self._folder = Path(tempfile.mkdtemp(prefix="diglot-"))
        # It refuses to run as root, and has to reach the socket of the server.
        owner = Path(host, ".s.PGSQL.5432").stat().st_uid
        shutil.chown(self._folder, owner)
        self._folder.chmod(0o755)
        written = _SETTINGS.format(host=host, port=_PORT, folder=self._folder, sessions=SESSIONS)
        Path(self._folder, "users").write_text('"postgres" ""\n')
        Path(self._folder, "settings").write_text(written)
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, "pgbouncer is missing: apt-get install pgbouncer"
        user = ("-u", pwd.getpwuid(owner).pw_name) if os.getuid() == 0 else ()
        self._command = (program, "-q", *user, str(self._folder / "settings"))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the pooler and wait until it listens."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + SECONDS
        while not (self._folder / f".s.PGSQL.{_PORT}").exists():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until, "pgbouncer does not listen"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the pooler at once, with all its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(SECONDS)
        (self._folder / f".s.PGSQL.{_PORT}").unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the pooler for good."""
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, name: str) -> str:
        """Return the URL of a database behind the pooler, as an operator writes it."""
        return f"postgresql://postgres@/{name}?host={self._folder}&port={_PORT}"


@cache
def pooler_of(server_url: str) -> Pgbouncer:
    """Start a pooler before a server, once for a process; it ends with the process."""
    pooler = Pgbouncer(server_url)
    atexit.register(pooler.close)
    return pooler
