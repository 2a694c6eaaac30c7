"""Write the rendered parts of the documentation; with `--check` only name the pages that are out of date."""

import sys

from render.pages import rendered


def main() -> int:
    """Name every page that is not what the data renders, and write it unless `--check` is given."""
    stale = {
        path: text
        for path, text in rendered().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        print(path)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        print("out of date: run `make docs`", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
