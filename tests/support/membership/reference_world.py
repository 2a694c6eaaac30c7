"""A world of rules on tags, lists and dates; tags are renamed and deleted, lists deleted, zones changed.

It keeps for each segment what its rules should be and whether they should be valid, without any code of the
product, and lets the oracle say who its members are.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from diglot.errors import Conflict, InUse
from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.service.access.workspaces import Workspaces
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.audience.tags import TagPatch, Tags
from diglot.service.contacts.contacts import Contacts
from support import canonical, oracle
from support.membership.random_world import ZONES, World

ALL = Window(0, 1_000)
NEGATIVES = frozenset({"not_equals", "not_contains", "not_in"})
NAMING = frozenset({"equals", "contains", "in"}) | NEGATIVES
INSTANTS = (
    "2026-02-27",
    "2026-02-28 22:30",
    "2026-03-01T00:15:00",
    "2026-03-01T00:15:00+02:00",
    "2026-03-01T05:00:00Z",
)
Written = Mapping[str, Any]


def source(written: Written) -> OriginalText:
    return OriginalText("canonical", msgspec.json.encode(canonical.to_wire(written)).decode())


def rename_in(node: Any, old: str, new: str) -> Any:
    """Return rules in which a tag has its new name."""
    if "operator" not in node:
        return {
            mode: rename_in(part, old, new) if mode == "not" else [rename_in(each, old, new) for each in part]
            for mode, part in node.items()
        }
    if node["field"] != "tags" or node["operator"] not in NAMING:
        return node
    operand = node["operand"]
    if isinstance(operand, list):
        return node | {"operand": [new if each == old else each for each in operand]}
    return node | {"operand": new if operand == old else operand}


def excludes(node: Any, name: str, value: str, *, negated: bool = False) -> bool:
    """Tell whether rules could gain members by the deletion of a tag or a list."""
    if "not" in node:
        return excludes(node["not"], name, value, negated=not negated)
    if "operator" not in node:
        (items,) = node.values()
        return any(excludes(item, name, value, negated=negated) for item in items)
    operand = node.get("operand")
    named = operand if isinstance(operand, list) else [operand]
    is_named = node["field"] == name and node["operator"] in NAMING and value in named
    return is_named and negated is not (node["operator"] in NEGATIVES)


@dataclass
class Expected:
    """A segment or a dynamic list as it should be."""

    written: Written
    is_list: bool
    is_valid: bool = True
    revision: int = 1
    # The field and value of what is deleted and makes it invalid.
    deleted: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class ReferenceWorld:
    """The world, and what it should be."""

    world: World
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, Expected] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=lambda: ["vip", "new", "old", "Ä"])
    made: int = 0
    compared: int = 0
    invalidated: int = 0

    @property
    def rng(self) -> Random:
        return self.world.rng

    def use_cases(self, kind: Any) -> Any:
        """Return use cases on one of the two processes."""
        return kind(self.world.engine, self.world.clock)

    # Rules

    def rules(self, depth: int = 2) -> Written:
        """Return random rules in which tags and lists are named, most often."""
        rng = self.rng
        if depth and rng.random() < 0.4:
            items = [self.rules(depth - 1) for _ in range(rng.randint(1, 3))]
            return rng.choice(({"all": items}, {"any": items}, {"not": items[0]}))
        operator = rng.choice(("equals", "contains", "not_equals", "not_contains", "in", "not_in"))
        many = operator in ("in", "not_in")
        kind = rng.random()
        if kind < 0.5:
            names = rng.sample([*self.tags, "unused"], 2)
            return {"field": "tags", "operator": operator, "operand": names if many else names[0]}
        if kind < 0.75 and self.lists:
            ids = rng.sample(self.lists, min(2, len(self.lists)))
            return {"field": "lists", "operator": operator, "operand": ids if many else ids[0]}
        return self.date_rule()

    def date_rule(self) -> Written:
        rng = self.rng
        name = rng.choice(("last_opened_at", "attributes.seen"))
        if rng.random() < 0.3:
            return {"field": name, "operator": "exactly_days_ago", "operand": rng.randint(0, 2)}
        if rng.random() < 0.3:
            days = rng.choice((0, 1, 30, 364))
            return {"field": f"anniversary.{name}", "operator": "lte", "operand": days}
        operator = rng.choice(("gte", "lt", "before", "after"))
        return {"field": name, "operator": operator, "operand": rng.choice(INSTANTS)}

    def condition(self, written: Written) -> Condition:
        return Condition(canonical.read(written), source(written))

    # Steps

    async def contact(self) -> None:
        """Create or change a contact."""
        rng = self.rng
        if len(self.tags) < 4:
            self.made += 1
            self.tags.append(f"tag {self.made}")
        tags = rng.sample(self.tags, rng.randint(0, min(3, len(self.tags))))
        seen, opened = rng.choice(INSTANTS), rng.choice(INSTANTS[3:])
        instant = oracle.moment(opened, "UTC")
        assert instant is not None
        change = ContactChange({"tags": tags, "last_opened_at": instant.start}, {"seen": seen})
        known = {"tags": tags, "last_opened_at": opened, "attributes": {"seen": seen}}
        use = self.use_cases(Contacts)
        if self.contacts and rng.random() < 0.6:
            id_ = rng.choice(list(self.contacts))
            await use.update(self.world.caller, id_, change)
            self.contacts[id_] |= known
            return
        self.made += 1
        change.values["email"] = f"c{self.made}@example.com"
        created = await use.create(self.world.caller, change)
        self.contacts[created.id] = {"email": change.values["email"], "lists": [], **known}

    async def segment(self) -> None:
        """Create a segment or a dynamic list, or send rules for one: new ones, or its own."""
        rng, caller = self.rng, self.world.caller
        if self.segments and rng.random() < 0.3:
            id_ = rng.choice(list(self.segments))
            await self.send_rules(id_, self.segments[id_].written if rng.random() < 0.5 else self.rules())
            return
        written = self.rules()
        self.made += 1
        name = f"s{self.made}"
        if rng.random() < 0.3:
            created = await self.use_cases(Lists).create(caller, NewList(name, None, self.condition(written)))
            self.segments[created.list.id] = Expected(written, is_list=True)
        else:
            new = NewSegment(name, self.condition(written))
            created = await self.use_cases(Segments).create(caller, new)
            self.segments[created.id] = Expected(written, is_list=False)

    async def send_rules(self, id_: str, written: Written) -> None:
        """Send rules; equal ones change nothing unless they are invalid."""
        expected = self.segments[id_]
        use = self.use_cases(Lists if expected.is_list else Segments)
        await use.update(self.world.caller, id_, SegmentChange(condition=self.condition(written)))
        same = canonical.read(written) == canonical.read(expected.written)
        if not same or not expected.is_valid:
            expected.written, expected.is_valid, expected.deleted = written, True, set()
            expected.revision += 1

    async def list_(self) -> None:
        """Create a list with some contacts."""
        rng, use = self.rng, self.use_cases(Lists)
        self.made += 1
        created = await use.create(self.world.caller, NewList(f"l{self.made}"))
        self.lists.append(created.list.id)
        joined = rng.sample(list(self.contacts), min(len(self.contacts), rng.randint(0, 4)))
        if joined:
            await use.add_contacts(self.world.caller, created.list.id, joined)
        for id_ in joined:
            self.contacts[id_]["lists"].append(created.list.id)

    async def rename(self) -> None:
        """Give a tag a new name, or one in use, which is refused."""
        found = await self.use_cases(Tags).list_page(self.world.caller, ALL)
        if not found.items:
            return
        tag, (taken, *_) = self.rng.choice(found.items), found.items
        if taken.name != tag.name:
            with suppress(Conflict):
                await self.use_cases(Tags).update(self.world.caller, tag.id, TagPatch(name=taken.name))
        self.made += 1
        new = f"tag {self.made}"
        await self.use_cases(Tags).update(self.world.caller, tag.id, TagPatch(name=new))
        self.tags = [new if each == tag.name else each for each in self.tags]
        for contact in self.contacts.values():
            contact["tags"] = [new if each == tag.name else each for each in contact["tags"]]
        for expected in self.segments.values():
            if ("tags", tag.name) in expected.deleted:
                continue
            written = rename_in(expected.written, tag.name, new)
            expected.revision += written != expected.written
            expected.written = written

    async def delete_tag(self) -> None:
        """Delete a tag; without force it stays if rules exclude it."""
        found = await self.use_cases(Tags).list_page(self.world.caller, ALL)
        if not found.items or len(self.tags) < 3:
            return
        tag = self.rng.choice(found.items)
        if await self.is_refused(Tags, tag.id, "tags", tag.name):
            return
        if tag.name in self.tags and self.rng.random() < 0.5:
            # Else a contact may get a tag of the same name again.
            self.tags.remove(tag.name)
        for contact in self.contacts.values():
            contact["tags"] = [each for each in contact["tags"] if each != tag.name]

    async def delete_list(self) -> None:
        """Delete a static list; without force it stays if rules exclude it."""
        if not self.lists:
            return
        id_ = self.rng.choice(self.lists)
        if await self.is_refused(Lists, id_, "lists", id_):
            return
        self.lists.remove(id_)
        for contact in self.contacts.values():
            contact["lists"] = [each for each in contact["lists"] if each != id_]

    async def is_refused(self, kind: Any, id_: str, name: str, value: str) -> bool:
        """Delete a tag or a list, and tell whether that was refused, as it has to be."""
        dependents = [
            one
            for one in self.segments.values()
            if excludes(one.written, name, value) and (name, value) not in one.deleted
        ]
        force = self.rng.random() < 0.7
        try:
            await self.use_cases(kind).delete(self.world.caller, id_, force=force)
        except InUse:
            assert dependents
            assert not force
            return True
        assert force or not dependents
        self.invalidated += sum(one.is_valid for one in dependents)
        for expected in dependents:
            expected.is_valid = False
            expected.deleted.add((name, value))
        return False

    async def zone(self) -> None:
        """Change the time zone."""
        self.world.zone = self.rng.choice(ZONES)
        await Workspaces(self.world.engine, self.world.clock).set_time_zone("one", self.world.zone)

    # Checks

    async def members(self) -> dict[str, set[str]]:
        """Return the members of all segments and dynamic lists."""
        return {id_: await self.members_of(id_, one) for id_, one in self.segments.items()}

    async def members_of(self, id_: str, expected: Expected) -> set[str]:
        use = self.use_cases(Lists if expected.is_list else Segments)
        page = await use.list_members(self.world.caller, id_, ALL)
        assert page.total == len(page.items)
        assert page.revision == expected.revision
        return {contact.id for contact in page.items}

    async def check(self) -> None:
        """Compare the members of all segments with the oracle, and the world with itself."""
        lists = {id_: id_ for id_ in self.lists}
        for id_, members in (await self.members()).items():
            expected = self.segments[id_]
            now = datetime.fromtimestamp(self.world.now / 1_000_000, UTC)
            matched = {
                contact
                for contact, fields in self.contacts.items()
                if expected.is_valid
                and oracle.matches(expected.written, fields, now=now, zone=self.world.zone, lists=lists)
            }
            assert members == matched, (expected, self.world.zone)
        await self.world.check()

    async def narrow(self, step: Any) -> None:
        """Rename or delete something: no segment gains a member by that."""
        before = await self.members()
        await step()
        for id_, members in (await self.members()).items():
            assert members <= before[id_], self.segments[id_]
            self.compared += len(before[id_])
