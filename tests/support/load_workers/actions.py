"""Every kind of write, in an order in which each finds the resources it needs."""

from typing import Final

from support.load_workers import contacts, groups, segments
from support.load_workers.worker import Action, Actor

ACTIONS: Final[tuple[Action, ...]] = (
    groups.create_tag,
    contacts.create_contact,
    contacts.import_contacts,
    contacts.update_contact,
    contacts.update_by_email,
    contacts.purchase,
    contacts.update_many,
    groups.add_tag,
    groups.remove_tag,
    groups.add_tag,
    groups.rename_tag,
    groups.create_list,
    groups.add_to_list,
    groups.remove_from_list,
    segments.create_segment,
    segments.update_segment,
    segments.refresh_segment,
    groups.create_dynamic_list,
    segments.create_static,
    segments.change_static,
    contacts.delete_contact,
    contacts.delete_many,
    groups.delete_tag,
    groups.delete_list,
    groups.delete_dynamic_list,
    segments.delete_static,
    segments.delete_segment,
)


async def act(actor: Actor) -> None:
    """Make an actor do one write."""
    await actor.act(actor.rng.choice(ACTIONS))
