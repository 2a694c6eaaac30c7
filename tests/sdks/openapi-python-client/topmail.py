"""A whole story with the client that openapi-python-client makes from openapi/topmail.json."""

import os
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from diglot_topmail_client import AuthenticatedClient
from diglot_topmail_client.api.contacts import create_contact, get_contact, list_contacts, update_contact
from diglot_topmail_client.api.lists import add_list_members, create_list
from diglot_topmail_client.api.segments import (
    create_segment,
    delete_segment,
    dry_run_segment,
    estimate_segment,
    explain_segment,
    get_segment,
    list_segment_changes,
    list_segment_contacts,
    list_segments,
    update_segment,
)
from diglot_topmail_client.api.tags import add_tag_contacts, create_tag
from diglot_topmail_client.models import (
    Attributes,
    Conditions,
    ContactCreate,
    ContactPatch,
    DryRun,
    ErrorBody,
    ExplainedGroup,
    ExplainedRule,
    GroupMode,
    ListCreate,
    NamedContacts,
    Rule,
    RuleOperator,
    SegmentCreate,
    SegmentPatch,
    TagCreate,
)

T = TypeVar("T")

client = AuthenticatedClient(base_url=f"{os.environ['DIGLOT_URL']}/api/v1", token=os.environ["DIGLOT_KEY"])


def good(answer: T | ErrorBody | None) -> T:
    """Return an answer of success; this client returns faults as well."""
    if answer is None or isinstance(answer, ErrorBody):
        raise SystemExit(f"refused: {answer}")
    return answer


def yes(true: bool) -> str:
    return "yes" if true else "no"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def show(conditions: Conditions, indent: str = "  ") -> None:
    """Print a group of rules, and the groups in it."""
    print(f"{indent}{conditions.match}")
    for item in conditions.rules:
        if isinstance(item, Conditions):
            show(item, indent + "  ")
        else:
            print(f"{indent}  {item.field} {item.operator}")


def show_explained(group: ExplainedGroup, indent: str = "  ") -> None:
    """Print what each rule says of a contact."""
    print(f"{indent}{group.match}: {yes(group.matches)}")
    for item in group.rules:
        if isinstance(item, ExplainedRule):
            print(f"{indent}  {item.rule.field} {item.rule.operator}: {yes(item.matches)}")
        else:
            show_explained(item, indent + "  ")


print("== Contacts")
people = [
    ContactCreate(
        email="ada@example.com",
        first_name="Ada",
        tags=["vip", "newsletter"],
        total_spent=250.5,
        last_opened_at=days_ago(3),
        attributes=Attributes.from_dict({"plan": "pro", "seats": 5}),
    ),
    ContactCreate(
        email="bob@example.com",
        first_name="Bob",
        total_spent=99.5,
        last_opened_at=days_ago(3),
        attributes=Attributes.from_dict({"plan": "team", "seats": 12}),
    ),
    ContactCreate(
        email="cleo@example.com",
        first_name="Cleo",
        total_spent=400.5,
        last_opened_at=days_ago(3),
        attributes=Attributes.from_dict({"plan": "free"}),
    ),
    ContactCreate(
        email="dan@example.com",
        first_name="Dan",
        total_spent=120.5,
        last_opened_at=days_ago(60),
        attributes=Attributes.from_dict({"plan": "pro", "seats": 3}),
    ),
    ContactCreate(
        email="eve@example.org",
        first_name="Eve",
        tags=["newsletter"],
        total_spent=150.5,
        last_opened_at=days_ago(1),
        attributes=Attributes.from_dict({"plan": "team", "seats": 8}),
    ),
    ContactCreate(
        email="fay@example.com",
        total_spent=500.5,
        last_opened_at=days_ago(10),
        attributes=Attributes.from_dict({"plan": "pro"}),
    ),
]
ids = {}
emails = {}
for person in people:
    contact = good(create_contact.sync(client=client, body=person)).data
    ids[contact.email] = contact.id
    emails[contact.id] = contact.email
    name = contact.first_name or "no name"
    tags = ", ".join(sorted(contact.tags)) or "no tags"
    print(f"{contact.email}: {name}, {tags}, plan {contact.attributes['plan']}, {contact.status}")
found = good(list_contacts.sync(client=client, search="cleo"))
print(f"Found by name: {', '.join(one.email for one in found.data)}")

print("== A tag and a list")
gold = good(create_tag.sync(client=client, body=TagCreate("gold", color="#ffd700"))).data
named = NamedContacts(contact_ids=[ids["cleo@example.com"], ids["fay@example.com"]])
print(f"Tagged {gold.name}: {good(add_tag_contacts.sync(gold.id, client=client, body=named)).data.added}")
readers = good(
    create_list.sync(client=client, body=ListCreate("Readers", description="Who asked for it"))
).data
joined = good(
    add_list_members.sync(readers.id, client=client, body=NamedContacts(contact_id=ids["cleo@example.com"]))
).data
print(f"{readers.name}: {readers.type_}, {readers.description}, {joined.member_count} member")
cleo = good(get_contact.sync(ids["cleo@example.com"], client=client)).data
print(f"{cleo.email}: {', '.join(cleo.tags)}, on {', '.join(one.name for one in cleo.lists)}")

print("== A segment with nested rules")
segment = good(
    create_segment.sync(
        client=client,
        body=SegmentCreate(
            name="Spring buyers",
            conditions=Conditions(
                match=GroupMode.ALL,
                rules=[
                    Rule("total_spent", RuleOperator.GTE, 100),
                    Rule("email", RuleOperator.ENDS_WITH, "@example.com"),
                    Rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
                    Conditions(
                        match=GroupMode.ANY,
                        rules=[
                            Rule("attributes.plan", RuleOperator.IN_LIST, ["pro", "team"]),
                            Rule("tags", RuleOperator.CONTAINS, "gold"),
                        ],
                    ),
                ],
            ),
        ),
    )
).data
print(f"{segment.name}: revision {segment.revision}")
show(segment.conditions)

print("== Its members")
print(f"{good(estimate_segment.sync(segment.id, client=client)).data.count} members")
for offset in (0, 2):
    page = good(list_segment_contacts.sync(segment.id, client=client, limit=2, offset=offset))
    shown = ", ".join(one.email for one in page.data)
    more = yes(page.pagination.has_more)
    print(f"From {page.pagination.offset} of {page.pagination.total}: {shown}; more: {more}")

print("== A contact changes, and the count follows")
bob = good(update_contact.sync(ids["bob@example.com"], client=client, body=ContactPatch(total_spent=175.5)))
print(f"{bob.data.email} has spent {bob.data.total_spent}")
print(f"{good(estimate_segment.sync(segment.id, client=client)).data.count} members")

print("== What other rules would find")
wider = Conditions(
    match=GroupMode.ALL,
    rules=[
        Rule("total_spent", RuleOperator.GTE, 100),
        Rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
    ],
)
dry = good(dry_run_segment.sync(client=client, body=DryRun(wider, segment_id=segment.id))).data
print(f"{dry.total} in place of {dry.current_total}: {dry.entering} would enter, {dry.leaving} would leave")
print(f"Entering: {', '.join(one.email for one in dry.entering_sample or [])}")
for counted in dry.predicates:
    print(f"{counted.path}: {counted.rule.field} {counted.rule.operator}, true of {counted.count}")

print("== Why one is no member")
explained = good(explain_segment.sync(segment.id, client=client, contact="dan@example.com")).data
print(f"dan@example.com is a member: {yes(explained.is_member)}")
if explained.conditions is not None:
    show_explained(explained.conditions)

print("== Other rules")
patch = SegmentPatch(name="Spring readers", conditions=wider)
segment = good(update_segment.sync(segment.id, client=client, body=patch)).data
count = good(estimate_segment.sync(segment.id, client=client)).data.count
print(f"{segment.name}: {count} members, revision {segment.revision}")

print("== Who entered, and why")
after = 0
while True:
    changes = good(list_segment_changes.sync(segment.id, client=client, after=after, limit=3))
    for change in changes.data:
        who = emails[change.contact_id] if change.contact_id else "somebody"
        print(f"{who} {change.change}: {change.cause}")
    after = changes.pagination.through
    if not changes.pagination.has_more:
        break

print("== A request that is sent again")
draft = SegmentCreate("Draft")
first = good(create_segment.sync(client=client, body=draft, idempotency_key="a-draft")).data
again = good(create_segment.sync(client=client, body=draft, idempotency_key="a-draft")).data
print(f"The same segment: {yes(first.id == again.id)}")
used = create_segment.sync_detailed(client=client, body=SegmentCreate("Another"), idempotency_key="a-draft")
if isinstance(used.parsed, ErrorBody):
    print(f"{used.status_code} {used.parsed.error.code}: {used.parsed.error.message}")

print("== All segments")
for offset in (0, 1):
    listed = good(list_segments.sync(client=client, limit=1, offset=offset))
    print(f"{offset + 1} of {listed.pagination.total}: {', '.join(one.name for one in listed.data)}")

print("== What is refused")
wrong = SegmentCreate(
    "Wrong",
    Conditions(
        match=GroupMode.ALL,
        rules=[
            Rule("total_spent", RuleOperator.GTE, 100),
            Conditions([Rule("email", RuleOperator.IN_LAST_DAYS, 30)], GroupMode.ANY),
        ],
    ),
)
refused = create_segment.sync_detailed(client=client, body=wrong)
if isinstance(refused.parsed, ErrorBody):
    error = refused.parsed.error
    print(f"{refused.status_code} {error.code}: {error.message} ({error.path})")
known = create_contact.sync_detailed(client=client, body=ContactCreate(email="ada@example.com"))
if isinstance(known.parsed, ErrorBody):
    print(f"{known.status_code} {known.parsed.error.code}: {known.parsed.error.message}")
stranger = AuthenticatedClient(base_url=f"{os.environ['DIGLOT_URL']}/api/v1", token="tm_live_unknown")
unknown = list_segments.sync_detailed(client=stranger)
if isinstance(unknown.parsed, ErrorBody):
    print(f"{unknown.status_code} {unknown.parsed.error.code}: {unknown.parsed.error.message}")

print("== The end")
for one in (segment.id, first.id):
    print(f"Deleted: {yes(good(delete_segment.sync(one, client=client)).data.success)}")
gone = get_segment.sync_detailed(segment.id, client=client)
if isinstance(gone.parsed, ErrorBody):
    print(f"{gone.status_code} {gone.parsed.error.code}: {gone.parsed.error.message}")
