"""Every kind of write, in an order in which each finds the resources it needs."""

from typing import Final

from support.load_workers import contacts, groups, segments
from support.load_workers.worker import Action, Actor

ACTIONS: Final[tuple[Action, ...]] = (
    groups.make_tag,
    contacts.create_contact,
    contacts.import_contacts,
    contacts.change_contact,
    contacts.change_by_email,
    contacts.purchase,
    contacts.change_many,
    groups.put_tag,
    groups.take_tag,
    groups.put_tag,
    groups.rename_tag,
    groups.make_list,
    groups.join_list,
    groups.leave_list,
    segments.make_segment,
    segments.edit_segment,
    segments.refresh_segment,
    groups.make_dynamic_list,
    segments.make_static,
    segments.change_static,
    contacts.delete_contact,
    contacts.delete_many,
    groups.drop_tag,
    groups.drop_list,
    groups.drop_dynamic_list,
    segments.drop_static,
    segments.drop_segment,
)


async def act(actor: Actor) -> None:
    """Make an actor do one write."""
    await actor.act(actor.rng.choice(ACTIONS))
