"""A whole story with the client that OpenAPI Generator (python) makes from openapi/misar.json."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from diglot_misar import (
    ApiClient,
    ApiException,
    Configuration,
    ContactCreate,
    ContactPatch,
    ContactsApi,
    DryRun,
    ErrorBody,
    ExplainedGroup,
    ExplainedRule,
    FilterCriteria,
    FilterCriteriaItem,
    GroupMode,
    Rule,
    RuleOperator,
    SegmentCreate,
    SegmentPatch,
    SegmentsApi,
    SegmentType,
)

client = ApiClient(Configuration(host=os.environ["DIGLOT_URL"], access_token=os.environ["DIGLOT_KEY"]))
contacts = ContactsApi(client)
segments = SegmentsApi(client)


def yes(true: bool) -> str:
    return "yes" if true else "no"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def rule(field: str, operator: RuleOperator, value: object) -> FilterCriteriaItem:
    return FilterCriteriaItem(Rule(field=field, operator=operator, value=value))


def show(criteria: FilterCriteria, indent: str = "  ") -> None:
    """Print a group of rules, and the groups in it."""
    print(f"{indent}{criteria.operator.value if criteria.operator else GroupMode.AND.value}")
    for item in criteria.rules:
        match item.actual_instance:
            case FilterCriteria() as group:
                show(group, indent + "  ")
            case Rule() as one:
                print(f"{indent}  {one.field} {one.operator.value}")


def show_explained(group: ExplainedGroup, indent: str = "  ") -> None:
    """Print what each rule says of a contact."""
    print(f"{indent}{group.operator.value}: {yes(group.matches)}")
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
        fault = error.data
        if not isinstance(fault, ErrorBody):
            raise
        print(f"{error.status}: {fault.error}")
        if fault.details is not None:
            for field, faults in fault.details.field_errors.items():
                for one in faults:
                    print(f"  {field}: {one}")


print("== Contacts")
people = [
    ContactCreate(
        email="ada@example.com",
        first_name="Ada",
        tags=["vip", "newsletter"],
        total_spent=250.5,
        last_opened_at=days_ago(3),
        custom_fields={"plan": "pro", "seats": 5},
    ),
    ContactCreate(
        email="bob@example.com",
        first_name="Bob",
        total_spent=99.5,
        last_opened_at=days_ago(3),
        custom_fields={"plan": "team", "seats": 12},
    ),
    ContactCreate(
        email="cleo@example.com",
        first_name="Cleo",
        tags=["vip"],
        total_spent=400.5,
        last_opened_at=days_ago(3),
        custom_fields={"plan": "free"},
    ),
    ContactCreate(
        email="dan@example.com",
        first_name="Dan",
        total_spent=120.5,
        last_opened_at=days_ago(60),
        custom_fields={"plan": "pro", "seats": 3},
    ),
    ContactCreate(
        email="eve@example.org",
        first_name="Eve",
        tags=["newsletter"],
        total_spent=150.5,
        last_opened_at=days_ago(1),
        custom_fields={"plan": "team", "seats": 8},
    ),
    ContactCreate(
        email="fay@example.com",
        total_spent=500.5,
        last_opened_at=days_ago(10),
        custom_fields={"plan": "pro"},
    ),
]
ids = {}
emails = {}
for person in people:
    contact = contacts.create_contact(person).data
    ids[contact.email] = contact.id
    emails[contact.id] = contact.email
    name = contact.first_name or "no name"
    tags = ", ".join(sorted(contact.tags)) or "no tags"
    print(f"{contact.email}: {name}, {tags}, plan {contact.custom_fields['plan']}, {contact.status.value}")
found = contacts.list_contacts(search="cleo")
print(f"Found by name: {', '.join(one.email for one in found.data)}")

print("== A segment with nested rules")
segment = segments.create_segment(
    SegmentCreate(
        name="Spring buyers",
        segment_type=SegmentType.DYNAMIC,
        description="Who buys, and reads",
        filter_criteria=FilterCriteria(
            operator=GroupMode.AND,
            rules=[
                rule("total_spent", RuleOperator.GTE, 100),
                rule("email", RuleOperator.ENDS_WITH, "@example.com"),
                rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
                FilterCriteriaItem(
                    FilterCriteria(
                        operator=GroupMode.OR,
                        rules=[
                            rule("custom_fields.plan", RuleOperator.IN, ["pro", "team"]),
                            rule("tags", RuleOperator.CONTAINS, "vip"),
                        ],
                    )
                ),
            ],
        ),
    )
).data
print(f"{segment.name}: {segment.segment_type.value}, {segment.description}, revision {segment.revision}")
show(segment.filter_criteria)

print("== Its members")
preview = segments.preview_segment(segment.id).data
print(f"{preview.total_matching}, such as {', '.join(one.email for one in preview.contacts)}")
for number in (1, 2):
    page = segments.list_segment_members(segment.id, page=number, limit=2)
    shown = ", ".join(emails[one] for one in page.data.contact_ids)
    print(f"Page {page.pagination.page} of {page.pagination.total_pages}: {shown}")

print("== A contact changes, and the count follows")
bob = contacts.update_contact(ids["bob@example.com"], ContactPatch(total_spent=175.5)).data
print(f"{bob.email} has spent {bob.total_spent}")
print(f"{segments.get_segment(segment.id).data.contact_count} members")

print("== What other rules would find")
wider = FilterCriteria(
    operator=GroupMode.AND,
    rules=[
        rule("total_spent", RuleOperator.GTE, 100),
        rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
    ],
)
dry = segments.dry_run_segment(DryRun(filter_criteria=wider, segment_id=segment.id)).data
print(f"{dry.total} in place of {dry.current_total}: {dry.entering} would enter, {dry.leaving} would leave")
print(f"Entering: {', '.join(one.email for one in dry.entering_sample or [])}")
for counted in dry.predicates:
    asked = counted.rule
    print(f"{counted.path}: {asked.field} {asked.operator.value}, true of {counted.count}")

print("== Why one is no member")
explained = segments.explain_segment(segment.id, "dan@example.com").data
print(f"dan@example.com is a member: {yes(explained.is_member)}")
if explained.filter_criteria is not None:
    show_explained(explained.filter_criteria)

print("== Other rules")
segment = segments.update_segment(segment.id, SegmentPatch(name="Spring readers", filter_criteria=wider)).data
print(f"{segment.name}: {segment.contact_count} members, revision {segment.revision}")

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
nobody = FilterCriteria(rules=[])
draft = SegmentCreate(name="Draft", segment_type=SegmentType.DYNAMIC, filter_criteria=nobody)
first = segments.create_segment(draft, idempotency_key="a-draft").data
again = segments.create_segment(draft, idempotency_key="a-draft").data
print(f"The same segment: {yes(first.id == again.id)}")
other = SegmentCreate(name="Another", segment_type=SegmentType.DYNAMIC, filter_criteria=nobody)
with refused():
    segments.create_segment(other, idempotency_key="a-draft")

print("== All segments")
for number in (1, 2):
    listed = segments.list_segments(page=number, limit=1).data
    item = listed.segments[0]
    print(f"{number} of {listed.pagination.total_pages}: {item.name}, {item.contact_count} members")

print("== What is refused")
wrong = FilterCriteria(
    operator=GroupMode.AND,
    rules=[
        rule("total_spent", RuleOperator.GTE, "many"),
        FilterCriteriaItem(
            FilterCriteria(operator=GroupMode.OR, rules=[rule("email", RuleOperator.IN_LAST_DAYS, 30)])
        ),
    ],
)
with refused():
    segments.create_segment(
        SegmentCreate(name="Wrong", segment_type=SegmentType.DYNAMIC, filter_criteria=wrong)
    )
with refused():
    contacts.create_contact(ContactCreate(email="ada@example.com"))
stranger = Configuration(host=os.environ["DIGLOT_URL"], access_token="msk_unknown")
with refused():
    SegmentsApi(ApiClient(stranger)).list_segments()

print("== The end")
for one in (segment.id, first.id):
    print(f"Deleted: {yes(segments.delete_segment(one).success)}")
with refused():
    segments.get_segment(segment.id)
