"""The character sets of files: what a byte order mark or a declaration names, and how lines are cut.

A file without a mark is UTF-8 unless its sender declares another set. The names are those of the WHATWG
Encoding Standard, by which `iso-8859-1` means windows-1252, because that is what such files hold.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Final

from diglot.errors import MalformedRequest

UTF_8: Final = "utf-8"
_MARKS: Final = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Names as senders write them, and the codec. In all of them but the last two a line ends with the byte of
# its ASCII character, and that byte is never part of another character.
_DECLARED: Final = {
    **dict.fromkeys(("utf-8", "utf8", "utf-8-sig", "us-ascii", "ascii"), UTF_8),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252", "ansi"), "cp1252"),
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **dict.fromkeys(("iso-8859-9", "windows-1254"), "cp1254"),
    **{f"windows-{page}": f"cp{page}" for page in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **{f"cp{page}": f"cp{page}" for page in (437, 850, 852, 866, 1250, 1251, 1253, 1254, 1255, 1256, 1257)},
    **dict.fromkeys(("macintosh", "mac-roman", "macroman"), "mac-roman"),
    **dict.fromkeys(("koi8-r", "koi8-u"), "koi8-u"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j", "cp932"), "cp932"),
    **dict.fromkeys(("gbk", "gb2312", "gb18030"), "gb18030"),
    **dict.fromkeys(("euc-kr", "cp949", "ks_c_5601-1987"), "cp949"),
    **dict.fromkeys(("euc-jp",), "euc_jp"),
    **dict.fromkeys(("big5", "cp950"), "cp950"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16-le", "unicode"), "utf-16-le"),
    **dict.fromkeys(("utf-16be", "utf-16-be"), "utf-16-be"),
}
_SHOWN: Final = {UTF_8: "UTF-8", "cp1252": "windows-1252"}
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
MARK_LENGTH: Final = max(len(mark) for mark, _ in _MARKS)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A character set by the name of its codec."""

    codec: str

    @property
    def shown(self) -> str:
        """The name that messages show."""
        return _SHOWN.get(self.codec, self.codec.upper())

    def cut_lines(self, data: bytes, *, is_final: bool) -> tuple[list[bytes], bytes]:
        """Return the complete lines of the data with their ends, and the rest.

        A carriage return at the end of the data may be half of a line's end.
        """
        if not self.codec.startswith("utf-16"):
            lines = data.splitlines(keepends=True)
            complete = is_final or not lines or lines[-1].endswith(b"\n")
            return lines, b"" if complete else lines.pop()
        whole = len(data) - len(data) % 2
        text = data[:whole].decode(self.codec, "surrogatepass")
        lines = [line[0].encode(self.codec, "surrogatepass") for line in _LINE.finditer(text)]
        rest = data[whole:]
        if is_final:
            return [*lines, rest] if rest else lines, b""
        return lines, lines.pop() + rest if text and not text.endswith("\n") else rest

    def decode(self, line: bytes, offset: int) -> str:
        """Return the text of a line that begins at an offset; raise `MalformedRequest`."""
        try:
            return line.decode(self.codec)
        except UnicodeDecodeError as error:
            place = offset + error.start + 1
            raise MalformedRequest(f"The file is not {self.shown} (byte {place})") from None


def find_declared(name: str) -> Encoding:
    """Return the character set that a sender declares; raise `MalformedRequest` for an unknown one."""
    codec = _DECLARED.get(name.strip().lower())
    if codec is None:
        raise MalformedRequest(f"The character set {name[:40]} is not known: send UTF-8")
    return Encoding(codec)


def detect(head: bytes, declared: Encoding | None) -> tuple[Encoding, int]:
    """Return the character set of a file and the length of its mark; a mark outweighs a declaration.

    Raise `MalformedRequest` for UTF-16 that nothing names.
    """
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec), len(mark)
    if declared is None and 0 in head[:2]:
        raise MalformedRequest(f"The file is not UTF-8 (byte {head.index(0) + 1})")
    return declared or Encoding(UTF_8), 0
