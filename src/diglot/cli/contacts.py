"""`diglot contacts`."""

import click
import msgspec

from diglot.cli.options import database_options, require_confirmation, resolve_database, run_on_database
from diglot.plurals import count_of
from diglot.service.contacts.personal_data import PersonalData
from diglot.storage import checks

workspace_option = click.option(
    "--workspace", metavar="NAME", required=True, help="The workspace of the contact."
)


@click.group()
def contacts() -> None:
    """Export or erase everything that is stored about one person.

    These commands answer a person's requests to you, for access or for erasure.
    """


@contacts.command()
@click.argument("email")
@workspace_option
@database_options
def export(email: str, workspace: str, database: str | None, config: str | None) -> None:
    """Print everything that is stored about the address EMAIL as JSON.

    It includes a contact that was deleted, as far as something is left of it.
    """
    url = resolve_database(database, config)
    exported = run_on_database(
        url, lambda engine: PersonalData(engine.in_background()).export(workspace, email)
    )
    click.echo(msgspec.json.format(msgspec.json.encode(exported), indent=2).decode())


@contacts.command()
@click.argument("email")
@workspace_option
@click.option("--confirm", metavar="EMAIL", help="The address again; without it, the command asks for it.")
@click.option("--vacuum", is_flag=True, help="Also rewrite the file of SQLite; writes wait meanwhile.")
@database_options
def erase(  # noqa: PLR0913, PLR0917 - one for each option
    email: str, workspace: str, confirm: str | None, vacuum: bool, database: str | None, config: str | None
) -> None:
    """Delete the contact with the address EMAIL, and what else is stored of it.

    That includes kept responses to retries, rejected rows of imports, and deliveries to webhooks; pending
    ones are not sent. It works for a contact that was deleted before.
    """
    url = resolve_database(database, config)
    require_confirmation(email, confirm, "the address")
    erased = run_on_database(url, lambda engine: PersonalData(engine.in_background()).erase(workspace, email))
    if vacuum:
        checks.vacuum(url)
    deliveries = count_of(erased.deliveries, "delivery", "deliveries")
    responses = count_of(erased.responses, "kept response")
    click.echo(f"{_say(erased.contacts)}; {deliveries} and {responses} are deleted.", err=True)


def _say(contacts: int) -> str:
    if not contacts:
        return "There was no contact with this address"
    return "The contact is deleted" if contacts == 1 else f"{contacts} contacts are deleted"
