"""Segments that reference segments: members, causes, cycles, deletions, drafts, at every write."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from diglot.conditions import tree
from diglot.errors import InUse, InvalidInput, LimitReached, NotFound
from diglot.membership import evaluate, notify
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import AtEntry, Cause, MembershipChange
from diglot.model.segments import (
    Condition,
    ManualMemberChange,
    MemberAction,
    OriginalText,
    Segment,
    SegmentType,
)
from diglot.model.webhooks import EventPayload, WebhookEventType
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.references import Renaming
from diglot.service.audience.rules.counts import count_rules
from diglot.service.audience.rules.dependents import Dependent
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.audience.tags import TagPatch, Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.webhooks import NewWebhook
from diglot.storage.schema import workspaces
from diglot.storage.sql.statement import Statement
from diglot.storage.write_unit import WriteUnit
from support import canonical
from support.engines import Database
from support.membership.random_world import World
from support.membership.segment_world import ALL, DAY, SegmentWorld
from support.membership.webhook_log import EventReader
from support.outboxes import Outbox
from support.reporting import Tally

STATIC = SegmentType.STATIC
_RULES = Statement(select(workspaces.c.rule_count))
HEARS = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.LIST_JOINED,
    WebhookEventType.LIST_LEFT,
)


async def test_random_segments(
    world: World, pytestconfig: pytest.Config, tally: Tally, database: Database
) -> None:
    """The oracle knows the members of chains and diamonds at every write and at every instant."""
    one = SegmentWorld(world)
    hook = NewWebhook("topmail", "https://127.0.0.1/", HEARS, HEARS, "secret")
    await Outbox(world.engine, world.caller).webhooks.create(world.caller, hook)
    reader = EventReader(world.caller.workspace, notify.MAX_PER_SEGMENT, notify.MAX_PER_WRITE)
    begin, steps = [one.contact] * 8 + [one.segment] * 8, list(one.steps())
    for step in [*begin, *world.rng.choices(steps, k=pytestconfig.getoption("--world-steps"))]:
        await step()
        await reader.compare(world.engine)
        if world.rng.random() < 0.3:
            await one.check()
        if world.rng.random() < 0.05:
            await world.verify()
    await one.check()
    await world.verify()
    tally("contacts compared in segments that reference others", database.name, one.compared)
    tally("references refused", database.name, one.refused)


async def test_random_pending_segments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """First evaluations in the background do not lose a change of a segment that is referenced."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 5)
    world.is_whole = False
    one = SegmentWorld(world)
    for step in [one.contact] * 10 + [one.segment] * 8:
        await step()
    steps = list(one.steps())
    for _ in range(40):
        await world.rng.choice(steps)()
        if world.rng.random() < 0.5:
            await world.build()
        if world.rng.random() < 0.2:
            await one.check()
    await world.build_all()
    await one.check()
    await world.verify()


PAIR = {"field": "tags", "operator": "contains", "operand": "vip"}


def on(id_: str, operator: str = "equals") -> Mapping[str, Any]:
    """Return a rule on a segment."""
    return {"field": "segments", "operator": operator, "operand": id_}


@dataclass
class Scene:
    """A world with contacts by the letters of their tags, and its use cases."""

    world: World

    @property
    def segments(self) -> Segments:
        return Segments(self.world.engine, self.world.clock)

    async def contact(self, email: str, *tags: str) -> str:
        change = ContactChange({"email": f"{email}@example.com", "tags": list(tags)}, {})
        return (await Contacts(self.world.engine, self.world.clock).create(self.world.caller, change)).id

    async def tag(self, id_: str, *tags: str) -> None:
        change = ContactChange({"tags": list(tags)}, {})
        await Contacts(self.world.engine, self.world.clock).update(self.world.caller, id_, change)

    async def segment(self, name: str, rules: Mapping[str, Any], **more: Any) -> str:
        new = NewSegment(name, condition(rules), **more)
        return (await self.segments.create(self.world.caller, new)).id

    async def edit(self, id_: str, rules: Mapping[str, Any]) -> Segment:
        patch = SegmentPatch(condition=condition(rules))
        return await self.segments.update(self.world.caller, id_, patch)

    async def get(self, id_: str) -> Segment:
        return await self.segments.get(self.world.caller, id_)

    async def members(self, id_: str) -> set[str]:
        page = await self.segments.list_members(self.world.caller, id_, ALL)
        return {contact.email.partition("@")[0] for contact in page.items}

    async def add(self, id_: str, *contacts: str, action: MemberAction = MemberAction.ADD) -> None:
        change = ManualMemberChange(action, contacts)
        await self.segments.change_members(self.world.caller, id_, change)

    async def causes(self, id_: str) -> list[tuple[bool, Cause, str | None]]:
        """Return the changes of a segment: whether the contact entered, why, and which segment moved it."""
        use, changes, after = MembershipChanges(self.world.engine), list[MembershipChange](), None
        while True:
            feed = await use.list_for_segment(self.world.caller, id_, after, 100)
            changes += feed.changes
            after = feed.through
            if after == feed.newest:
                return [(one.entered, one.origin.cause, one.cause_segment_id) for one in changes]


def condition(rules: Mapping[str, Any]) -> Condition:
    text = msgspec.json.encode(canonical.to_wire(rules)).decode()
    return Condition(canonical.read(rules), OriginalText("canonical", text))


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


async def test_the_log_names_the_segment_that_moved_a_contact(scene: Scene) -> None:
    """At writes of contacts, by hand, by new rules, by a deletion, and after the change that it follows."""
    ada = await scene.contact("ada", "vip")
    base, static = await scene.segment("base", PAIR), await scene.segment("static", {"all": []}, type=STATIC)
    above = await scene.segment("above", {"any": [on(base), on(static)]})
    top = await scene.segment(
        "top", {"all": [on(above), {"not": {"field": "tags", "operator": "contains", "operand": "no"}}]}
    )
    await scene.tag(ada)
    await scene.add(static, ada)
    await scene.add(static, ada, action=MemberAction.REMOVE)
    await scene.edit(base, {"field": "email", "operator": "contains", "operand": "ada"})
    await scene.tag(ada, "no")
    await Contacts(scene.world.engine, scene.world.clock).delete(scene.world.caller, ada)
    changed, by_hand = Cause.CONTACT_CHANGED, Cause.BY_HAND
    assert await scene.causes(above) == [
        (True, Cause.SEGMENT_CREATED, None),
        (False, changed, base),
        (True, by_hand, static),
        (False, by_hand, static),
        (True, Cause.SEGMENT_CHANGED, base),
        (False, Cause.CONTACT_DELETED, base),
    ]
    assert await scene.causes(top) == [
        (True, Cause.SEGMENT_CREATED, None),
        (False, changed, above),
        (True, by_hand, above),
        (False, by_hand, above),
        (True, Cause.SEGMENT_CHANGED, above),
        (False, changed, None),
    ]
    feed = await MembershipChanges(scene.world.engine).list_for_workspace(scene.world.caller, None, 100)
    numbers = {(one.segment_id, one.entered, one.origin.at): one.number for one in feed.changes}
    for one in feed.changes:
        if one.cause_segment_id is not None:
            causes = [
                n
                for (id_, _, at), n in numbers.items()
                if id_ == one.cause_segment_id and at == one.origin.at
            ]
            assert causes
            assert max(causes) < one.number


async def test_time_moves_a_chain(scene: Scene) -> None:
    """The clock moves a segment and what references it, and the log says so."""
    opened = scene.world.now - 1_000
    change = ContactChange({"email": "ada@example.com", "last_opened_at": opened}, {})
    await Contacts(scene.world.engine, scene.world.clock).create(scene.world.caller, change)
    base = await scene.segment("base", {"field": "last_opened_at", "operator": "in_last_days", "operand": 1})
    above = await scene.segment("above", on(base, "not_equals"))
    assert (await scene.members(base), await scene.members(above)) == ({"ada"}, set())
    assert (
        await scene.segments.get_with_next_change(scene.world.caller, above)
    ).next_change_at == opened + DAY + 1
    scene.world.now = opened + DAY + 1
    assert (await scene.members(base), await scene.members(above)) == (set(), {"ada"})
    await scene.contact("bob")
    assert (True, Cause.TIME, base) in await scene.causes(above)


async def test_history_has_the_members_of_then(scene: Scene) -> None:
    """As of an entry, a segment has the members that the referenced one had then."""
    ada = await scene.contact("ada", "vip")
    base = await scene.segment("base", PAIR)
    above = await scene.segment("above", on(base))
    before = (await scene.world.historian().take_snapshot()).entry
    await scene.tag(ada)
    assert await scene.members(above) == set()
    history = MembershipHistory(scene.world.engine, scene.world.clock)
    page = await history.list_members(scene.world.caller, above, ALL, AtEntry(before))
    assert [contact.id for contact in page.items] == [ada]


async def test_references_that_are_refused(scene: Scene) -> None:
    """Unknown ids, cycles of any length and more than five levels; the message shows the cycle."""
    unknown = "0198b000-0000-7000-8000-00000000ffff"
    with pytest.raises(InvalidInput, match="No segment has this id"):
        await scene.segment("unknown", on(unknown))
    behind = await Lists(scene.world.engine, scene.world.clock).create(
        scene.world.caller, NewList("list", None, condition(PAIR))
    )
    assert behind.list.segment is not None
    with pytest.raises(InvalidInput, match="No segment has this id"):
        await scene.segment("a segment of a list is none", on(behind.list.segment.id))
    chain = [await scene.segment("s1", PAIR)]
    for level in range(2, 6):
        chain.append(await scene.segment(f"s{level}", on(chain[-1])))
    with pytest.raises(InvalidInput, match="at most 5 levels"):
        await scene.segment("s6", on(chain[-1]))
    with pytest.raises(InvalidInput, match=r"cycle: .*\(s1\) -> .*\(s1\)"):
        await scene.edit(chain[0], on(chain[0]))
    with pytest.raises(InvalidInput, match=r"cycle: .*\(s1\) -> .*\(s3\) -> .*\(s2\) -> .*\(s1\)"):
        await scene.edit(chain[0], {"any": [PAIR, on(chain[2])]})
    other = await scene.segment("other", {"all": []}, type=STATIC)
    with pytest.raises(InvalidInput, match="at most 5 levels"):
        await scene.edit(chain[0], on(other))
    with pytest.raises(InvalidInput, match="cycle"):
        await DryRuns(scene.world.engine, scene.world.clock).run(
            scene.world.caller, canonical.read(on(chain[1])), chain[0]
        )
    assert await scene.members(chain[4]) == set()


async def test_two_updates_do_not_close_a_cycle_together(scene: Scene) -> None:
    """Each is right alone; the second one sees the first."""
    one, two = await scene.segment("one", PAIR), await scene.segment("two", PAIR)
    for _ in range(5):
        results = await asyncio.gather(
            *(scene.edit(one, on(two)), scene.edit(two, on(one))), return_exceptions=True
        )
        refused = [each for each in results if isinstance(each, InvalidInput)]
        assert len(refused) == 1
        assert "cycle" in str(refused[0].faults[0].message)
        for id_ in (one, two):
            await scene.edit(id_, PAIR)


async def test_a_referenced_segment_cannot_be_deleted(scene: Scene) -> None:
    """The error names the dependents, a dynamic list and a static segment with rules among them."""
    base = await scene.segment("base", PAIR)
    above = await scene.segment("above", on(base))
    once = await scene.segment("once", on(base), type=STATIC)
    lists = Lists(scene.world.engine, scene.world.clock)
    listed = await lists.create(scene.world.caller, NewList("listed", None, condition(on(base))))
    with pytest.raises(InUse) as refused:
        await scene.segments.delete(scene.world.caller, base)
    assert str(refused.value) == (
        f"Rules reference it: segment {above} (above), segment {once} (once), list {listed.list.id} (listed)"
    )
    await lists.delete(scene.world.caller, listed.list.id)
    for id_ in (above, once, base):
        await scene.segments.delete(scene.world.caller, id_)


async def test_a_draft_makes_what_references_it_invalid(scene: Scene) -> None:
    """As long as it has no rules; a static segment cannot be filled from it."""
    await scene.contact("ada", "vip")
    draft = await scene.segment("draft", {"all": []})
    above = await scene.segment("above", on(draft, "not_equals"))
    top = await scene.segment("top", {"not": on(above)})
    assert [one.value for one in (await scene.get(above)).deleted_references] == [draft]
    assert [one.value for one in (await scene.get(top)).deleted_references] == [above]
    assert (await scene.members(above), await scene.members(top)) == (set(), set())
    with pytest.raises(
        InvalidInput, match=r"cannot be filled by segments that are drafts or invalid: .*draft"
    ):
        await scene.segment("static", on(draft), type=STATIC)
    same = await scene.edit(above, on(draft, "not_equals"))
    assert (same.revision, len(same.deleted_references)) == (1, 1)
    await scene.edit(draft, PAIR)
    assert not (await scene.get(top)).deleted_references
    assert (await scene.members(above), await scene.members(top)) == (set(), {"ada"})
    await scene.edit(draft, {"all": []})
    assert (await scene.members(above), await scene.members(top)) == (set(), set())
    assert (await scene.causes(top))[-1] == (False, Cause.SEGMENT_INVALID, above)
    await scene.world.verify()


async def test_a_deleted_tag_breaks_rules_on_a_segment_that_wants_it(scene: Scene) -> None:
    """Whoever is not in the segment would otherwise be everybody; sending the rules again is not guessed."""
    await scene.contact("ada", "vip")
    await scene.contact("bob", "new")
    base = await scene.segment("base", PAIR)
    others, fans = (
        await scene.segment("others", on(base, "not_equals")),
        await scene.segment("fans", on(base)),
    )
    tags = Tags(scene.world.engine, scene.world.clock)
    (tag,) = [one for one in (await tags.list_page(scene.world.caller, ALL)).items if one.name == "vip"]
    with pytest.raises(InUse, match=r"become invalid: segment .* \(others\)$"):
        await tags.delete(scene.world.caller, tag.id, force=False)
    await tags.delete(scene.world.caller, tag.id)
    assert (await scene.members(others), await scene.members(fans)) == (set(), set())
    assert [one.field for one in (await scene.get(others)).deleted_references] == ["tags"]
    assert not (await scene.get(fans)).deleted_references
    assert (await scene.edit(others, on(base, "not_equals"))).revision == 2
    assert await scene.members(others) == {"ada", "bob"}


async def find_tag(scene: Scene, name: str) -> str:
    """Return the id of a tag."""
    page = await Tags(scene.world.engine, scene.world.clock).list_page(scene.world.caller, ALL)
    return next(tag.id for tag in page.items if tag.name == name)


async def test_a_deleted_tag_is_seen_in_rules_that_are_invalid(scene: Scene) -> None:
    """Rules that are invalid for another reason do not become valid as rules that want the tag of nobody."""
    await scene.contact("ada", "vip")
    await scene.contact("bob", "new")
    draft, base = await scene.segment("draft", {"all": []}), await scene.segment("base", PAIR)
    either = await scene.segment("either", {"any": [on(draft), on(base, "not_equals")]})
    tags = Tags(scene.world.engine, scene.world.clock)
    tag = await find_tag(scene, "vip")
    with pytest.raises(InUse, match=r"become invalid: segment .* \(either\)$"):
        await tags.delete(scene.world.caller, tag, force=False)
    await tags.delete(scene.world.caller, tag)
    await scene.edit(draft, {"field": "first_name", "operator": "equals", "operand": "nobody"})
    assert [one.field for one in (await scene.get(either)).deleted_references] == ["tags"]
    assert await scene.members(either) == set()
    await scene.world.verify()


async def test_what_references_broken_rules_is_valid_with_them_again(scene: Scene) -> None:
    """It excludes nothing by itself, so the deleted tag is no reason of its own."""
    await scene.contact("ada", "vip")
    base = await scene.segment("base", {"field": "tags", "operator": "not_contains", "operand": "vip"})
    fans = await scene.segment("fans", on(base))
    await Tags(scene.world.engine, scene.world.clock).delete(scene.world.caller, await find_tag(scene, "vip"))
    assert [one.field for one in (await scene.get(base)).deleted_references] == ["tags"]
    assert [one.field for one in (await scene.get(fans)).deleted_references] == ["segments"]
    await scene.edit(base, {"field": "tags", "operator": "not_contains", "operand": "new"})
    assert not (await scene.get(fans)).deleted_references
    assert await scene.members(fans) == {"ada"}
    await scene.world.verify()


async def test_a_rename_that_is_rolled_back_leaves_no_condition(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process loads in the middle of it stays with the version that nobody else has."""
    base = await scene.segment("base", PAIR)
    engine, caller = scene.world.engine, scene.world.caller
    ada = ContactChange({"email": "ada@example.com", "tags": ["vip"]})
    await Contacts(engine, scene.world.clock).create(caller, ada)
    tag = await find_tag(scene, "vip")

    begin = Renaming.begin

    async def begin_and_fail(renaming: Renaming, unit: WriteUnit) -> Sequence[Dependent]:
        await begin(renaming, unit)
        raise NotFound("connection")

    # Another process changed the segment, so that this one has not loaded its version.
    other = next(process for process in scene.world.engines if process is not engine)
    await Segments(other, scene.world.clock).update(caller, base, SegmentPatch(name="renamed"))
    monkeypatch.setattr(Renaming, "begin", begin_and_fail)
    with pytest.raises(NotFound):
        await Tags(engine, scene.world.clock).update(caller, tag, TagPatch(name="gold"))
    bob = ContactChange({"email": "bob@example.com", "tags": ["gold"]})
    await Contacts(engine, scene.world.clock).create(caller, bob)
    assert (await Segments(engine, scene.world.clock).get_with_count(caller, base)).count == 1
    await scene.world.verify()


async def test_rules_count_with_those_that_they_reference(scene: Scene) -> None:
    """A condition has at most 250 of them, and a workspace counts them all."""
    many = await scene.segment("many", {"any": [PAIR] * 125})
    await scene.segment("twice", {"any": [on(many), on(many, "not_equals")]})
    with pytest.raises(InvalidInput, match="at most 250 rules"):
        await scene.segment("more", {"any": [PAIR, on(many), on(many, "not_equals")]})
    with pytest.raises(InvalidInput, match=r"\(twice\) references this one\. .* at most 250 rules"):
        await scene.edit(many, {"any": [PAIR] * 126})
    limited = replace(scene.segments, limits=WorkspaceLimits(rules=400))
    with pytest.raises(LimitReached, match="at most 400 rules"):
        await limited.create(scene.world.caller, NewSegment("third", condition(on(many))))


def rules_with(base: str, filler: str) -> Mapping[str, Any]:
    """Return rules on a segment and on a tag, which no contact misses because of a filler."""
    return {"all": [on(base), PAIR, {"field": "first_name", "operator": "not_contains", "operand": filler}]}


async def test_a_rename_keeps_the_number_of_rules(scene: Scene) -> None:
    """Rules that name a tag, and those that reference them, are counted as they are in the end."""
    await scene.contact("ada", "vip")
    long = {"field": "tags", "operator": "in", "operand": ["x" * 90] * 100}
    base = await scene.segment("base", {"any": [PAIR, long]})
    above = await scene.segment("above", rules_with(base, "x"))
    # A thousand characters count as a rule, and while contacts get the new name, rules have a few more.
    length = len(tree.encode((await scene.get(above)).full_tree))
    await scene.edit(above, rules_with(base, "x" * (1 + (985 - length) % 1_000)))
    await scene.segment("top", {"any": [on(above), on(base, "not_equals")]})
    tags = Tags(scene.world.engine, scene.world.clock)
    (tag,) = [one for one in (await tags.list_page(scene.world.caller, ALL)).items if one.name == "vip"]
    for name in ("v" * 100, "vip"):
        await tags.update(scene.world.caller, tag.id, TagPatch(name=name))
        page = await scene.segments.list_page(scene.world.caller, ALL)
        row = await scene.world.engine.read(lambda transaction: transaction.fetch_one(_RULES, {}))
        assert row is not None
        assert row[0] == sum(map(count_rules, page.items))
        assert await scene.members(above) == {"ada"}


async def test_a_dry_run_counts_each_rule(scene: Scene) -> None:
    """With the members of segments now, and nothing for a rule that is invalid."""
    ada, _ = await scene.contact("ada", "vip"), await scene.contact("bob")
    base, static = await scene.segment("base", PAIR), await scene.segment("static", {"all": []}, type=STATIC)
    draft = await scene.segment("draft", {"all": []})
    await scene.add(static, ada)
    runs = DryRuns(scene.world.engine, scene.world.clock)

    async def run(rules: Mapping[str, Any], replaces: str | None = None) -> tuple[int, list[int]]:
        result = await runs.run(scene.world.caller, canonical.read(rules), replaces)
        return result.members.count, [count for _, count in result.rules]

    both = {"any": [on(base, "not_equals"), on(static), PAIR]}
    assert await run(both) == (2, [1, 1, 1])
    assert await run({"any": [on(draft), PAIR]}) == (0, [0, 1])
    assert await run(on(draft, "not_equals")) == (0, [0])
    other = await scene.segment("other", on(static))
    result = await runs.run(scene.world.caller, canonical.read(on(base, "not_equals")), other)
    assert result.replaced is not None
    assert (result.replaced.entering.count, result.replaced.leaving.count) == (1, 1)


async def test_webhooks_tell_the_segment(scene: Scene) -> None:
    """An event of a segment names the referenced one by which the contact moved."""
    outbox = Outbox(scene.world.engine, scene.world.caller)
    hook = await outbox.webhooks.create(
        scene.world.caller, NewWebhook("misar", "https://127.0.0.1/", HEARS, HEARS, "secret")
    )
    base = await scene.segment("base", PAIR)
    await scene.segment("above", on(base))
    await scene.contact("ada", "vip")
    found = []
    for one in await outbox.sent(hook):
        told = msgspec.json.decode(one.payload, type=EventPayload)
        assert told.group is not None
        assert told.move is not None
        found.append((told.group.name, told.move.cause_segment_id))
    assert found == [("base", None), ("above", base)]
