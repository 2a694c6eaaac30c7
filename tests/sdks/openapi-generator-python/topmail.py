"""A whole story with the client that OpenAPI Generator (python) makes from openapi/topmail.json."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from diglot_topmail import (
    ApiClient,
    ApiException,
    Conditions,
    ConditionsItem,
    Configuration,
    ContactCreate,
    ContactPatch,
    ContactsApi,
    DryRun,
    ErrorBody,
    ExplainedGroup,
    ExplainedRule,
    GroupMode,
    ListCreate,
    ListsApi,
    NamedContacts,
    Rule,
    RuleOperator,
    SegmentCreate,
    SegmentPatch,
    SegmentsApi,
    TagCreate,
    TagsApi,
)

host = f"{os.environ['DIGLOT_URL']}/api/v1"
client = ApiClient(Configuration(host=host, access_token=os.environ["DIGLOT_KEY"]))
contacts = ContactsApi(client)
tags = TagsApi(client)
lists = ListsApi(client)
segments = SegmentsApi(client)


def yes(true: bool) -> str:
    return "yes" if true else "no"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def rule(field: str, operator: RuleOperator, value: object) -> ConditionsItem:
    return ConditionsItem(Rule(field=field, operator=operator, value=value))


def show(conditions: Conditions, indent: str = "  ") -> None:
    """Print a group of rules, and the groups in it."""
    print(f"{indent}{conditions.match.value if conditions.match else GroupMode.ALL.value}")
    for item in conditions.rules:
        match item.actual_instance:
            case Conditions() as group:
                show(group, indent + "  ")
            case Rule() as one:
                print(f"{indent}  {one.field} {one.operator.value}")


def show_explained(group: ExplainedGroup, indent: str = "  ") -> None:
    """Print what each rule says of a contact."""
    print(f"{indent}{group.match.value}: {yes(group.matches)}")
    for item in group.rules:
        match item.actual_instance:
            case ExplainedGroup() as inner:
                show_explained(inner, indent + "  ")
            case ExplainedRule(rule=one, matches=matches):
                print(f"{indent}  {one.field} {one.operator.value}: {yes(matches)}")


@contextmanager
def refused() -> Iterator[None]:
    """Print what is answered to a request that is refused."""
    try:
        yield
    except ApiException as error:
        if not isinstance(error.data, ErrorBody):
            raise
        fault = error.data.error
        place = f" ({fault.path})" if fault.path else ""
        print(f"{error.status} {fault.code}: {fault.message}{place}")


print("== Contacts")
people = [
    ContactCreate(
        email="ada@example.com",
        first_name="Ada",
        tags=["vip", "newsletter"],
        total_spent=250.5,
        last_opened_at=days_ago(3),
        attributes={"plan": "pro", "seats": 5},
    ),
    ContactCreate(
        email="bob@example.com",
        first_name="Bob",
        total_spent=99.5,
        last_opened_at=days_ago(3),
        attributes={"plan": "team", "seats": 12},
    ),
    ContactCreate(
        email="cleo@example.com",
        first_name="Cleo",
        total_spent=400.5,
        last_opened_at=days_ago(3),
        attributes={"plan": "free"},
    ),
    ContactCreate(
        email="dan@example.com",
        first_name="Dan",
        total_spent=120.5,
        last_opened_at=days_ago(60),
        attributes={"plan": "pro", "seats": 3},
    ),
    ContactCreate(
        email="eve@example.org",
        first_name="Eve",
        tags=["newsletter"],
        total_spent=150.5,
        last_opened_at=days_ago(1),
        attributes={"plan": "team", "seats": 8},
    ),
    ContactCreate(
        email="fay@example.com",
        total_spent=500.5,
        last_opened_at=days_ago(10),
        attributes={"plan": "pro"},
    ),
]
ids = {}
emails = {}
for person in people:
    contact = contacts.create_contact(person).data
    ids[contact.email] = contact.id
    emails[contact.id] = contact.email
    name = contact.first_name or "no name"
    tagged = ", ".join(sorted(contact.tags)) or "no tags"
    print(f"{contact.email}: {name}, {tagged}, plan {contact.attributes['plan']}, {contact.status.value}")
found = contacts.list_contacts(search="cleo")
print(f"Found by name: {', '.join(one.email for one in found.data)}")

print("== A tag and a list")
gold = tags.create_tag(TagCreate(name="gold", color="#ffd700")).data
named = NamedContacts(contact_ids=[ids["cleo@example.com"], ids["fay@example.com"]])
print(f"Tagged {gold.name}: {tags.add_tag_contacts(gold.id, named).data.added}")
readers = lists.create_list(ListCreate(name="Readers", description="Who asked for it")).data
joined = lists.add_list_members(readers.id, NamedContacts(contact_id=ids["cleo@example.com"])).data
print(f"{readers.name}: {readers.type.value}, {readers.description}, {joined.member_count} member")
cleo = contacts.get_contact(ids["cleo@example.com"]).data
print(f"{cleo.email}: {', '.join(cleo.tags)}, on {', '.join(one.name for one in cleo.lists)}")

print("== A segment with nested rules")
segment = segments.create_segment(
    SegmentCreate(
        name="Spring buyers",
        conditions=Conditions(
            match=GroupMode.ALL,
            rules=[
                rule("total_spent", RuleOperator.GTE, 100),
                rule("email", RuleOperator.ENDS_WITH, "@example.com"),
                rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
                ConditionsItem(
                    Conditions(
                        match=GroupMode.ANY,
                        rules=[
                            rule("attributes.plan", RuleOperator.IN_LIST, ["pro", "team"]),
                            rule("tags", RuleOperator.CONTAINS, "gold"),
                        ],
                    )
                ),
            ],
        ),
    )
).data
print(f"{segment.name}: revision {segment.revision}")
show(segment.conditions)

print("== Its members")
print(f"{segments.estimate_segment(segment.id).data.count} members")
for offset in (0, 2):
    page = segments.list_segment_contacts(segment.id, limit=2, offset=offset)
    shown = ", ".join(one.email for one in page.data)
    more = yes(page.pagination.has_more)
    print(f"From {page.pagination.offset} of {page.pagination.total}: {shown}; more: {more}")

print("== A contact changes, and the count follows")
bob = contacts.update_contact(ids["bob@example.com"], ContactPatch(total_spent=175.5)).data
print(f"{bob.email} has spent {bob.total_spent}")
print(f"{segments.estimate_segment(segment.id).data.count} members")

print("== What other rules would find")
wider = Conditions(
    match=GroupMode.ALL,
    rules=[
        rule("total_spent", RuleOperator.GTE, 100),
        rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
    ],
)
dry = segments.dry_run_segment(DryRun(conditions=wider, segment_id=segment.id)).data
print(f"{dry.total} in place of {dry.current_total}: {dry.entering} would enter, {dry.leaving} would leave")
print(f"Entering: {', '.join(one.email for one in dry.entering_sample or [])}")
for counted in dry.predicates:
    asked = counted.rule
    print(f"{counted.path}: {asked.field} {asked.operator.value}, true of {counted.count}")

print("== Why one is no member")
explained = segments.explain_segment(segment.id, "dan@example.com").data
print(f"dan@example.com is a member: {yes(explained.is_member)}")
if explained.conditions is not None:
    show_explained(explained.conditions)

print("== Other rules")
segment = segments.update_segment(segment.id, SegmentPatch(name="Spring readers", conditions=wider)).data
count = segments.estimate_segment(segment.id).data.count
print(f"{segment.name}: {count} members, revision {segment.revision}")

print("== Who entered, and why")
after = 0
while True:
    changes = segments.list_segment_changes(segment.id, after=after, limit=3)
    for change in changes.data:
        who = emails[change.contact_id] if change.contact_id else "somebody"
        print(f"{who} {change.change.value}: {change.cause.value}")
    after = changes.pagination.through
    if not changes.pagination.has_more:
        break

print("== A request that is sent again")
draft = SegmentCreate(name="Draft")
first = segments.create_segment(draft, idempotency_key="a-draft").data
again = segments.create_segment(draft, idempotency_key="a-draft").data
print(f"The same segment: {yes(first.id == again.id)}")
with refused():
    segments.create_segment(SegmentCreate(name="Another"), idempotency_key="a-draft")

print("== All segments")
for offset in (0, 1):
    listed = segments.list_segments(limit=1, offset=offset)
    print(f"{offset + 1} of {listed.pagination.total}: {', '.join(one.name for one in listed.data)}")

print("== What is refused")
wrong = Conditions(
    match=GroupMode.ALL,
    rules=[
        rule("total_spent", RuleOperator.GTE, 100),
        ConditionsItem(Conditions(match=GroupMode.ANY, rules=[rule("email", RuleOperator.IN_LAST_DAYS, 30)])),
    ],
)
with refused():
    segments.create_segment(SegmentCreate(name="Wrong", conditions=wrong))
with refused():
    contacts.create_contact(ContactCreate(email="ada@example.com"))
stranger = Configuration(host=host, access_token="tm_live_unknown")
with refused():
    SegmentsApi(ApiClient(stranger)).list_segments()

print("== The end")
for one in (segment.id, first.id):
    print(f"Deleted: {yes(segments.delete_segment(one).data.success)}")
with refused():
    segments.get_segment(segment.id)
