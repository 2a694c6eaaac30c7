"""A world of segments that reference each other: chains, diamonds, static ones, drafts and broken ones.

It keeps the rules of each segment as they should be, and lets the oracle say who the members are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest

from diglot.errors import InUse, InvalidInput
from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, ManualMemberChange, MemberAction, OriginalText, SegmentType
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.audience.tags import TagPatch, Tags
from diglot.service.contacts.contacts import Contacts
from support import canonical, oracle
from support.membership.random_world import World
from support.membership.reference_world import excludes, rename_in

ALL = Window(0, 1_000)
MAX_LEVELS = 5
INSTANTS = ("2026-02-27T10:00:00Z", "2026-02-28T12:00:00Z", "2026-03-01T11:00:00Z")
DRAFT: Mapping[str, Any] = {"all": []}
DAY = 86_400_000_000


@dataclass
class Expected(oracle.Definition):
    """A segment or a dynamic list as it should be; `rules` are also those of a static segment."""

    rules: Mapping[str, Any] = field(default_factory=dict)
    is_list: bool = False
    # The tags that broke it.
    deleted: set[str] = field(default_factory=set)

    @property
    def is_static(self) -> bool:
        return self.written is None


@dataclass
class SegmentWorld:
    """The world, and what it should be."""

    world: World
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, Expected] = field(default_factory=dict)
    tags: list[str] = field(default_factory=lambda: ["vip", "new", "old"])
    made: int = 0
    refused: int = 0
    compared: int = 0

    @property
    def rng(self) -> Random:
        return self.world.rng

    def use(self, kind: Any) -> Any:
        """Return use cases on one of the two processes."""
        return kind(self.world.engine, self.world.clock)

    def named_of(self, id_: str) -> set[str]:
        return oracle.named_segments(self.segments[id_].rules)

    def visible(self) -> list[str]:
        return [id_ for id_, one in self.segments.items() if not one.is_list]

    # Rules

    def rules(self, depth: int = 2) -> Mapping[str, Any]:
        """Return random rules that most often name segments."""
        rng = self.rng
        if depth and rng.random() < 0.45:
            items = [self.rules(depth - 1) for _ in range(rng.randint(1, 3))]
            return rng.choice(({"all": items}, {"any": items}, {"not": items[0]}))
        named = self.visible()
        if named and rng.random() < 0.6:
            operator = rng.choice(("equals", "contains", "in", "not_equals", "not_contains", "not_in"))
            chosen = rng.sample(named, min(len(named), rng.randint(1, 3)))
            operand = chosen if operator in ("in", "not_in") else chosen[0]
            return {"field": "segments", "operator": operator, "operand": operand}
        if rng.random() < 0.4:
            days = rng.choice((0, 1, 2))
            return {"field": "last_opened_at", "operator": "in_last_days", "operand": days}
        operator = rng.choice(("contains", "not_contains"))
        return {"field": "tags", "operator": operator, "operand": rng.choice(self.tags)}

    def condition(self, rules: Mapping[str, Any]) -> Condition:
        text = msgspec.json.encode(canonical.to_wire(rules)).decode()
        return Condition(canonical.read(rules), OriginalText("canonical", text))

    def chain_down(self, named: set[str]) -> int:
        return 1 + max((self.chain_down(self.named_of(id_)) for id_ in named), default=0)

    def chain_up(self, id_: str | None) -> int:
        above = [other for other in self.segments if id_ in self.named_of(other)]
        return 1 + max(map(self.chain_up, above), default=0)

    def reaches(self, named: set[str], id_: str) -> bool:
        return id_ in named or any(self.reaches(self.named_of(one), id_) for one in named)

    def is_storable(self, id_: str | None, rules: Mapping[str, Any]) -> bool:
        """Tell whether rules make no cycle and no chain that is too long."""
        named = oracle.named_segments(rules)
        if id_ is not None and self.reaches(named, id_):
            return False
        return not named or self.chain_down(named) + self.chain_up(id_) - 1 <= MAX_LEVELS

    def has_meaning(self, rules: Mapping[str, Any]) -> bool:
        named = oracle.named_segments(rules)
        return all(oracle.has_meaning(self.segments[id_], self.segments) for id_ in named)

    def written_out(self, rules: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return rules with those of dynamic segments in place of the rules that name them.

        Nobody is in a segment without a meaning.
        """
        if "operator" not in rules:
            ((mode, inner),) = rules.items()
            many = isinstance(inner, list)
            return {mode: list(map(self.written_out, inner)) if many else self.written_out(inner)}
        named = [self.segments[id_] for id_ in oracle.named_segments(rules)]
        if not named:
            return rules
        told = [one for one in named if one.written is not None and oracle.has_meaning(one, self.segments)]
        meaning = {"any": [self.written_out(one.rules) for one in told]}
        return {"not": meaning} if rules["operator"].startswith("not") else meaning

    # Steps

    async def contact(self) -> None:
        """Create, change or delete a contact."""
        rng, use = self.rng, self.use(Contacts)
        if len(self.contacts) > 6 and rng.random() < 0.15:
            id_ = rng.choice(list(self.contacts))
            await use.delete(self.world.caller, id_)
            del self.contacts[id_]
            for one in self.segments.values():
                one.given -= {id_}
            return
        tags = rng.sample(self.tags, rng.randint(0, 2))
        opened = rng.choice(INSTANTS)
        instant = oracle.moment(opened, "UTC")
        assert instant is not None
        change = ContactChange({"tags": tags, "last_opened_at": instant.start}, {})
        known = {"tags": tags, "last_opened_at": opened}
        if self.contacts and rng.random() < 0.6:
            id_ = rng.choice(list(self.contacts))
            await use.update(self.world.caller, id_, change)
            self.contacts[id_] |= known
            return
        self.made += 1
        change.values["email"] = f"c{self.made}@example.com"
        created = await use.create(self.world.caller, change)
        self.contacts[created.id] = {"email": change.values["email"], **known}

    async def import_contacts(self) -> None:
        """Import several contacts at once, some of which exist."""
        tags = [self.rng.sample(self.tags, self.rng.randint(0, 2)) for _ in range(8)]
        known = {one["email"]: id_ for id_, one in self.contacts.items()}
        emails = [
            *self.rng.sample(list(known), min(len(known), 4)),
            *(f"i{self.made}{n}@x.com" for n in range(4)),
        ]
        self.made += 1
        changes = [
            ContactChange({"email": email, "tags": each}, {})
            for email, each in zip(emails, tags, strict=False)
        ]
        await self.use(Contacts).import_all(self.world.caller, changes)
        page = await self.use(Contacts).list_page(self.world.caller, ALL)
        for one in page.items:
            self.contacts.setdefault(one.id, {"email": one.email, "last_opened_at": None})
            self.contacts[one.id]["tags"] = msgspec.json.decode(one.tags)

    async def segment(self) -> None:
        """Create a segment or a dynamic list."""
        rng, rules = self.rng, self.rules()
        self.made += 1
        name, kind = f"s{self.made}", rng.random()
        condition = self.condition(rules)
        if kind < 0.2:
            new: Any = NewList(name, None, condition)
            call = self.use(Lists).create(self.world.caller, new)
        else:
            type_ = SegmentType.STATIC if kind < 0.4 else SegmentType.DYNAMIC
            new = NewSegment(name, condition, type=type_)
            call = self.use(Segments).create(self.world.caller, new)
        is_static = 0.2 <= kind < 0.4
        fits = self.is_storable(None, rules) and (not is_static or self.has_meaning(rules))
        created = await self.expect(call, fits=fits)
        if created is None:
            return
        expected = Expected(rules, rules=rules, is_list=kind < 0.2)
        id_ = created.list.id if expected.is_list else created.id
        if is_static:
            expected.given, expected.written = self.members_of(expected), None
        self.segments[id_] = expected

    async def expect(self, call: Any, *, fits: bool) -> Any:
        """Await a call, which has to be refused if its rules do not fit."""
        try:
            result = await call
        except InvalidInput:
            assert not fits
            self.refused += 1
            return None
        assert fits
        return result

    async def edit(self) -> None:
        """Send other rules for a segment, maybe none."""
        dynamic = [id_ for id_, one in self.segments.items() if not one.is_static]
        if not dynamic:
            return
        id_ = self.rng.choice(dynamic)
        expected = self.segments[id_]
        rules = DRAFT if self.rng.random() < 0.2 else self.rules()
        use = self.use(Lists if expected.is_list else Segments)
        call = use.update(self.world.caller, id_, SegmentChange(condition=self.condition(rules)))
        is_same = canonical.read(rules) == canonical.read(expected.written or DRAFT)
        if await self.expect(call, fits=is_same or self.is_storable(id_, rules)) is not None:
            expected.rules = expected.written = rules
            expected.deleted, expected.is_broken = set(), False

    async def by_hand(self) -> None:
        """Change the members of a static segment."""
        static = [id_ for id_, one in self.segments.items() if one.is_static]
        if not static or not self.contacts:
            return
        id_, action = self.rng.choice(static), self.rng.choice(list(MemberAction))
        chosen = frozenset(self.rng.sample(list(self.contacts), min(len(self.contacts), 3)))
        change = ManualMemberChange(action, tuple(chosen))
        await self.use(Segments).change_members(self.world.caller, id_, change)
        given = self.segments[id_].given
        results = {
            MemberAction.SET: chosen,
            MemberAction.ADD: given | chosen,
            MemberAction.REMOVE: given - chosen,
        }
        self.segments[id_].given = results[action]

    async def drop(self) -> None:
        """Delete a segment, which is refused exactly if rules name it."""
        if len(self.segments) < 4:
            return
        id_ = self.rng.choice(list(self.segments))
        is_named = any(id_ in self.named_of(other) for other in self.segments)
        use = self.use(Lists if self.segments[id_].is_list else Segments)
        if not is_named:
            await use.delete(self.world.caller, id_)
            del self.segments[id_]
            return
        with pytest.raises(InUse) as refused:
            await use.delete(self.world.caller, id_)
        others = [other for other in self.segments if id_ in self.named_of(other)]
        assert all(other in str(refused.value) for other in others)
        self.refused += 1

    async def rename_tag(self) -> None:
        """Give a tag a new name, which the rules follow."""
        if not (found := await self.existing_tags()):
            return
        self.made += 1
        (id_, name), new = self.rng.choice(found), f"tag {self.made}"
        await self.use(Tags).update(self.world.caller, id_, TagPatch(name=new))
        self.tags = [new if each == name else each for each in self.tags]
        for contact in self.contacts.values():
            contact["tags"] = [new if each == name else each for each in contact["tags"]]
        for one in self.segments.values():
            if name not in one.deleted:
                one.rules = rename_in(one.rules, name, new)
                one.written = None if one.is_static else one.rules

    async def delete_tag(self) -> None:
        """Delete a tag: rules that exclude it break, also by those of segments that they name."""
        if not (found := await self.existing_tags()):
            return
        id_, name = self.rng.choice(found)
        await self.use(Tags).delete(self.world.caller, id_)
        for contact in self.contacts.values():
            contact["tags"] = [each for each in contact["tags"] if each != name]
        # Those that others reference first: nobody is in a broken one, so it excludes nothing any more.
        for one in sorted(
            self.segments.values(), key=lambda one: self.chain_down(oracle.named_segments(one.rules))
        ):
            if one.written is not None and excludes(self.written_out(one.rules), "tags", name):
                one.is_broken = True
                one.deleted.add(name)

    async def existing_tags(self) -> list[tuple[str, str]]:
        page = await self.use(Tags).list_page(self.world.caller, ALL)
        return [(tag.id, tag.name) for tag in page.items]

    async def elapse(self) -> None:
        """Let time pass, at most a day."""
        self.world.now += self.rng.choice((1, DAY // 24, DAY // 3, DAY))

    # Checks

    def members_of(self, one: Expected) -> frozenset[str]:
        now = datetime.fromtimestamp(self.world.now / 1_000_000, UTC)
        return oracle.segment_members(one, self.segments, self.contacts, now=now, zone="UTC", lists={})

    async def check(self) -> None:
        """Compare the members of all segments with the oracle, and the world with itself."""
        for id_, expected in self.segments.items():
            use = self.use(Lists if expected.is_list else Segments)
            page = await use.list_members(self.world.caller, id_, ALL)
            assert page.total == len(page.items)
            members = {contact.id for contact in page.items}
            assert members == self.members_of(expected), (id_, expected)
            self.compared += len(self.contacts)
        await self.world.check()

    def steps(self) -> Iterator[Any]:
        """Yield the steps, the more frequent ones several times."""
        yield from (self.contact, self.contact, self.contact, self.segment, self.segment, self.edit)
        yield from (self.by_hand, self.by_hand, self.drop, self.elapse, self.import_contacts)
        yield from (self.rename_tag, self.delete_tag)
