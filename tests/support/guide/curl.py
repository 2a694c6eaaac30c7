"""Curl, as far as the documentation uses it, for machines without it. `-m clients` runs the real one."""

import sys
from argparse import ArgumentParser
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit


def _body(data: str | None) -> bytes | None:
    """Return the bytes of an argument, or of the file that it names."""
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode()
    return Path(data[1:]).read_bytes()


def main() -> None:
    """Send one request and print its response."""
    parser = ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-S", "--show-error", action="store_true")
    parser.add_argument("--retry", type=int)
    parser.add_argument("--retry-connrefused", action="store_true")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("--data-binary")
    asked = parser.parse_args()
    where = urlsplit(asked.url)
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in asked.header)}
    body = _body(asked.data_binary) if asked.data is None else _body(asked.data)
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    method = asked.request or ("GET" if body is None else "POST")
    connection = HTTPConnection(where.hostname or "", where.port)
    connection.request(method, where.path + (f"?{where.query}" if where.query else ""), body, headers)
    answer = connection.getresponse()
    if asked.include:
        print(f"HTTP/1.1 {answer.status} {answer.reason}")
        print(*(f"{name}: {value}" for name, value in answer.getheaders()), "", sep="\n", flush=True)
    sys.stdout.buffer.write(answer.read())


main()
