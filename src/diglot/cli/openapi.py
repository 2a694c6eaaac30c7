"""`diglot openapi`."""

from pathlib import Path

import click

from diglot.api.openapi.document import encode_document
from diglot.dialects.registry import DIALECTS, get_dialect


@click.command()
@click.argument("dialect", type=click.Choice([dialect.name for dialect in DIALECTS]))
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the document to a file."
)
@click.option(
    "--check",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write nothing; exit with code 1 if the file differs from the code.",
)
def openapi(dialect: str, output: Path | None, check: Path | None) -> int:
    """Print the OpenAPI 3.1 document of a dialect."""
    document = encode_document(get_dialect(dialect))
    try:
        if check is not None:
            return _compare_file(document, check, dialect)
        if output is not None:
            output.write_bytes(document)
        else:
            click.echo(document, nl=False)
    except OSError as error:
        raise click.ClickException(f"{output or check}: {error.strerror}") from error
    return 0


def _compare_file(document: bytes, file: Path, dialect: str) -> int:
    if file.read_bytes() == document:
        return 0
    hint = f"run `diglot openapi {dialect} --output {file}`"
    click.echo(f"diglot: {file} differs from the code: {hint}", err=True)
    return 1
