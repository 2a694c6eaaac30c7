"""Write the rendered parts of the documentation."""

from render.pages import rendered


def main() -> None:
    """Write every page that is not what the data renders, and name it."""
    for path, text in rendered().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)


main()
