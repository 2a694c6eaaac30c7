"""A whole story with the client that openapi-python-client makes from openapi/misar.json."""

import os
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from diglot_misar_client import AuthenticatedClient
from diglot_misar_client.api.contacts import create_contact, list_contacts, update_contact
from diglot_misar_client.api.segments import (
    create_segment,
    delete_segment,
    dry_run_segment,
    explain_segment,
    get_segment,
    list_segment_changes,
    list_segment_members,
    list_segments,
    preview_segment,
    update_segment,
)
from diglot_misar_client.models import (
    ContactCreate,
    ContactPatch,
    CustomFields,
    DryRun,
    ErrorBody,
    ExplainedGroup,
    ExplainedRule,
    FilterCriteria,
    GroupMode,
    Rule,
    RuleOperator,
    SegmentCreate,
    SegmentPatch,
    SegmentType,
)
from diglot_misar_client.types import Unset

T = TypeVar("T")

client = AuthenticatedClient(base_url=os.environ["DIGLOT_URL"], token=os.environ["DIGLOT_KEY"])


def good(answer: T | ErrorBody | None) -> T:
    """Return an answer of success; this client returns faults as well."""
    if answer is None or isinstance(answer, ErrorBody):
        raise SystemExit(f"refused: {answer}")
    return answer


def yes(true: bool) -> str:
    return "yes" if true else "no"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def show(criteria: FilterCriteria, indent: str = "  ") -> None:
    """Print a group of rules, and the groups in it."""
    print(f"{indent}{criteria.operator}")
    for item in criteria.rules:
        if isinstance(item, FilterCriteria):
            show(item, indent + "  ")
        else:
            print(f"{indent}  {item.field} {item.operator}")


def show_explained(group: ExplainedGroup, indent: str = "  ") -> None:
    """Print what each rule says of a contact."""
    print(f"{indent}{group.operator}: {yes(group.matches)}")
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
        custom_fields=CustomFields.from_dict({"plan": "pro", "seats": 5}),
    ),
    ContactCreate(
        email="bob@example.com",
        first_name="Bob",
        total_spent=99.5,
        last_opened_at=days_ago(3),
        custom_fields=CustomFields.from_dict({"plan": "team", "seats": 12}),
    ),
    ContactCreate(
        email="cleo@example.com",
        first_name="Cleo",
        tags=["vip"],
        total_spent=400.5,
        last_opened_at=days_ago(3),
        custom_fields=CustomFields.from_dict({"plan": "free"}),
    ),
    ContactCreate(
        email="dan@example.com",
        first_name="Dan",
        total_spent=120.5,
        last_opened_at=days_ago(60),
        custom_fields=CustomFields.from_dict({"plan": "pro", "seats": 3}),
    ),
    ContactCreate(
        email="eve@example.org",
        first_name="Eve",
        tags=["newsletter"],
        total_spent=150.5,
        last_opened_at=days_ago(1),
        custom_fields=CustomFields.from_dict({"plan": "team", "seats": 8}),
    ),
    ContactCreate(
        email="fay@example.com",
        total_spent=500.5,
        last_opened_at=days_ago(10),
        custom_fields=CustomFields.from_dict({"plan": "pro"}),
    ),
]
ids = {}
emails = {}
for person in people:
    contact = good(create_contact.sync(client=client, body=person)).data
    emails[contact.id] = contact.email
    ids[contact.email] = contact.id
    name = contact.first_name or "no name"
    tags = ", ".join(sorted(contact.tags)) or "no tags"
    print(f"{contact.email}: {name}, {tags}, plan {contact.custom_fields['plan']}, {contact.status}")
vips = good(list_contacts.sync(client=client, search="cleo"))
print(f"Found by name: {', '.join(one.email for one in vips.data)}")

print("== A segment with nested rules")
segment = good(
    create_segment.sync(
        client=client,
        body=SegmentCreate(
            name="Spring buyers",
            segment_type=SegmentType.DYNAMIC,
            description="Who buys, and reads",
            filter_criteria=FilterCriteria(
                operator=GroupMode.AND,
                rules=[
                    Rule("total_spent", RuleOperator.GTE, 100),
                    Rule("email", RuleOperator.ENDS_WITH, "@example.com"),
                    Rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
                    FilterCriteria(
                        operator=GroupMode.OR,
                        rules=[
                            Rule("custom_fields.plan", RuleOperator.IN, ["pro", "team"]),
                            Rule("tags", RuleOperator.CONTAINS, "vip"),
                        ],
                    ),
                ],
            ),
        ),
    )
).data
print(f"{segment.name}: {segment.segment_type}, {segment.description}, revision {segment.revision}")
show(segment.filter_criteria)

print("== Its members")
preview = good(preview_segment.sync(segment.id, client=client)).data
print(f"{preview.total_matching}, such as {', '.join(one.email for one in preview.contacts)}")
for number in (1, 2):
    page = good(list_segment_members.sync(segment.id, client=client, page=number, limit=2))
    shown = ", ".join(emails[one] for one in page.data.contact_ids)
    print(f"Page {page.pagination.page} of {page.pagination.total_pages}: {shown}")

print("== A contact changes, and the count follows")
bob = good(update_contact.sync(ids["bob@example.com"], client=client, body=ContactPatch(total_spent=175.5)))
print(f"{bob.data.email} has spent {bob.data.total_spent}")
print(f"{good(get_segment.sync(segment.id, client=client)).data.contact_count} members")

print("== What other rules would find")
wider = FilterCriteria(
    operator=GroupMode.AND,
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
if explained.filter_criteria is not None:
    show_explained(explained.filter_criteria)

print("== Other rules")
patch = SegmentPatch(name="Spring readers", filter_criteria=wider)
segment = good(update_segment.sync(segment.id, client=client, body=patch)).data
print(f"{segment.name}: {segment.contact_count} members, revision {segment.revision}")

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
draft = SegmentCreate("Draft", SegmentType.DYNAMIC, FilterCriteria([]))
first = good(create_segment.sync(client=client, body=draft, idempotency_key="a-draft")).data
again = good(create_segment.sync(client=client, body=draft, idempotency_key="a-draft")).data
print(f"The same segment: {yes(first.id == again.id)}")
other = SegmentCreate("Another", SegmentType.DYNAMIC, FilterCriteria([]))
used = create_segment.sync_detailed(client=client, body=other, idempotency_key="a-draft")
if isinstance(used.parsed, ErrorBody):
    print(f"{used.status_code}: {used.parsed.error}")

print("== All segments")
for number in (1, 2):
    listed = good(list_segments.sync(client=client, page=number, limit=1)).data
    item = listed.segments[0]
    print(f"{number} of {listed.pagination.total_pages}: {item.name}, {item.contact_count} members")

print("== What is refused")
wrong = SegmentCreate(
    "Wrong",
    SegmentType.DYNAMIC,
    FilterCriteria(
        operator=GroupMode.AND,
        rules=[
            Rule("total_spent", RuleOperator.GTE, "many"),
            FilterCriteria([Rule("email", RuleOperator.IN_LAST_DAYS, 30)], GroupMode.OR),
        ],
    ),
)
refused = create_segment.sync_detailed(client=client, body=wrong)
if isinstance(refused.parsed, ErrorBody):
    print(f"{refused.status_code}: {refused.parsed.error}")
    if not isinstance(refused.parsed.details, Unset):
        for field, faults in refused.parsed.details.field_errors.additional_properties.items():
            for fault in faults:
                print(f"  {field}: {fault}")
known = create_contact.sync_detailed(client=client, body=ContactCreate(email="ada@example.com"))
if isinstance(known.parsed, ErrorBody):
    print(f"{known.status_code}: {known.parsed.error}")
stranger = AuthenticatedClient(base_url=os.environ["DIGLOT_URL"], token="msk_unknown")
unknown = list_segments.sync_detailed(client=stranger)
if isinstance(unknown.parsed, ErrorBody):
    print(f"{unknown.status_code}: {unknown.parsed.error}")

print("== The end")
for one in (segment.id, first.id):
    print(f"Deleted: {yes(good(delete_segment.sync(one, client=client)).success)}")
gone = get_segment.sync_detailed(segment.id, client=client)
if isinstance(gone.parsed, ErrorBody):
    print(f"{gone.status_code}: {gone.parsed.error}")
