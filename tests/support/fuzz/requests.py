"""Hostile requests: a valid request for any call, broken in one to three ways."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from diglot.api.dialect import Dialect, Surface
from diglot.api.operation import Operation
from diglot.api.rules.words import Words
from diglot.api.rules.writing import write_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from support import canonical, random_conditions
from support.fuzz.breaks import BODY_BREAKS, OTHER_BREAKS
from support.fuzz.drafts import Draft, Known
from support.fuzz.events import BODIES as EVENT_BODIES


@dataclass(frozen=True)
class DialectWords:
    """The properties that hold conditions and attributes in a dialect, and the dialect's words."""

    words: Words
    condition: str
    attributes: str


SPOKEN: Final = {
    "misar": DialectWords(MISAR, "filter_criteria", "custom_fields"),
    "topmail": DialectWords(TOPMAIL, "conditions", "attributes"),
}


_MORE_FILTERS: Final = {
    "listEvents": [
        (b"name", b"email.opened"),
        (b"since", b"2026-01-01"),
        (b"before", b"2099-01-01T00:00:00Z"),
    ]
}


@dataclass
class Maker:
    """Generates the hostile requests of a dialect, reproducibly by its seed."""

    dialect: Dialect
    rng: Random
    known: Known
    made: int = 0

    def next(self) -> Draft:
        """Return the next request."""
        self.made += 1
        surface, operation = self.rng.choice(self.dialect.operations)
        draft = self.valid(surface, operation)
        if operation.other_bodies and self.rng.random() < 0.6:
            self.as_file(draft)
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            breaks = BODY_BREAKS if draft.has_body and self.rng.random() < 0.65 else OTHER_BREAKS
            self.rng.choice(breaks)(self.rng, draft)
        return draft

    def valid(self, surface: Surface, operation: Operation) -> Draft:
        """Return a request to which a call answers with success."""
        parts = surface.prefix.strip("/") + operation.path
        ids = self.ids(operation.id)
        path = [self.rng.choice(ids[part]) if part in ids else part for part in parts.split("/")]
        draft = Draft(operation.method, [part.encode() for part in path], self.known)
        draft.headers.append((b"authorization", b"Bearer " + self.known.key.encode()))
        if operation.query is not None:
            draft.query = self.query(operation)
        if operation.body is not None:
            draft.has_body, draft.body = True, self.body(operation.id)
            draft.headers.append((b"content-type", b"application/json"))
        return draft

    def as_file(self, draft: Draft) -> None:
        """Turn an import into one of a file, as the body or in a form."""
        head, plain = b"email,First Name,status,engagement_score,tags,metadata,plan,,id\r\n", b"text/csv"
        known = self.rng.choice(self.known.emails)
        row = f'{known},"Ada ""A""",active,50,"vip,new","{{""seats"":3}}",pro,,\r\n'
        file = head + row.encode() + f"new{self.made}@example.com,,,,,,,,\r\n".encode()
        if self.rng.random() < 0.5:
            part = b'--xx\r\ncontent-disposition: form-data; name="'
            tags = part + b'tags"\r\n\r\nvip\r\n'
            file = tags + part + b'file"; filename="a.csv"\r\n\r\n' + file + b"\r\n--xx--\r\n"
            plain = b"multipart/form-data; boundary=xx"
        draft.content = lambda _: file
        draft.headers = [pair for pair in draft.headers if pair[0] != b"content-type"]
        draft.headers.append((b"content-type", plain))

    def ids(self, operation: str) -> dict[str, list[str]]:
        """Return the valid ids of each path parameter."""
        known = self.known
        # One list of each kind: a static one for changes by hand, a dynamic one for changes of its condition.
        lists = known.dynamic_lists if operation == "updateList" else known.lists
        segments = known.static_segments if operation.startswith("change") else known.segments
        return {
            "{segment_id:str}": [*segments, "new"] if operation == "previewRootSegment" else segments,
            "{contact_id:str}": known.contacts,
            "{list_id:str}": lists,
            "{tag_id:str}": known.tags,
            "{webhook_id:str}": known.webhooks,
            "{key_id:str}": known.keys,
        }

    def query(self, operation: Operation) -> list[tuple[bytes, bytes]]:
        """Return query parameters that a call accepts."""
        if operation.method == "DELETE":
            named = {"revokeKeyByQuery": self.known.keys, "deleteTrigger": self.known.webhooks}
            ids = named.get(operation.id, self.known.contacts)
            return [(b"id", self.rng.choice(ids).encode())]
        if operation.id == "explainSegment":
            return [(b"contact", self.rng.choice([*self.known.contacts, *self.known.emails]).encode())]
        if operation.id == "compareSegments":
            some = ",".join(self.rng.sample(self.known.segments, 2)).encode()
            base = self.rng.choice(self.known.segments).encode()
            return [(b"segments", some), (b"limit", b"3"), (b"base", base)]
        if operation.id == "listSegmentSizes":
            return [(b"by", self.rng.choice((b"hour", b"day"))), (b"to", b"2099-01-01")]
        if operation.id == "snapshotSegment":
            return [(b"as_of", b"2026-02-02T02:40:00Z")]
        results = [(b"limit", b"3"), (b"search", b"example")]
        results += _MORE_FILTERS.get(operation.id, ())
        if operation.id == "importContacts":
            results = [(b"updateExisting", b"true"), (b"tags", b"vip,new")]
        if operation.id.endswith("Changes"):
            results = [(b"limit", b"3"), (b"after", b"0")]
        elif operation.lists_members and operation.id != "listContacts":
            results.append((b"as_of", b"2026-02-02T02:40:00Z"))
        if operation.id == "listContacts":
            segment = self.rng.choice(self.known.segments).encode()
            results += [(b"status", b"subscribed"), (b"sort", b"engagement_asc"), (b"segment_id", segment)]
        return self.rng.sample(results, self.rng.randint(1, len(results)))

    def body(self, operation: str) -> Any:
        """Return a body that a call accepts."""
        rng = self.rng
        if operation in EVENT_BODIES:
            return EVENT_BODIES[operation](rng, self.known, self.made)
        if "Segment" in operation:
            return self.segment(operation)
        if operation == "createKey":
            return {"name": f"Key {self.made}", "scopes": ["contacts"], "expiresAt": "2099-01-01T00:00:00Z"}
        if operation in ("createList", "updateList"):
            return self.list(dynamic=operation == "updateList" or rng.random() < 0.5)
        if operation in ("createTag", "updateTag"):
            return {"name": f"Tag {self.made}", "color": "#0a0B0c", "description": "Friends"}
        if operation in ("addListMembers", "addTagContacts"):
            both = {"contact_ids": self.known.contacts}
            return rng.choice((both, {"contact_id": rng.choice(self.known.contacts)}))
        if operation.startswith(("create", "update")) and "Webhook" in operation:
            return self.webhook()
        if operation == "createTrigger":
            return {"targetUrl": "https://example.com/hook", "event": "contact.created", "secret": "shh"}
        return self.contact_body(operation)

    def contact_body(self, operation: str) -> Any:
        """Return a body that a call on contacts accepts."""
        rng = self.rng
        contact = self.contact(f"new{self.made}@example.com")
        if operation == "deleteContacts":
            return {"ids": self.known.contacts}
        if operation == "createContact":
            return contact
        if operation == "importContacts":
            again = self.contact(rng.choice(self.known.emails))
            return {"contacts": [contact, again], "updateExisting": True, "tags": ["imported"]}
        if operation == "updateContacts":
            return {"ids": self.known.contacts, "update": _without(contact, "email")}
        contact["email"] = rng.choice(self.known.emails)
        return contact if operation == "updateContactByEmail" else _without(contact, "email")

    def segment(self, operation: str) -> Any:
        """Return the body of a call on segments."""
        if operation.endswith("Members"):
            action = self.rng.choice(("set", "add", "remove"))
            return {"action": action, "contactIds": [*self.known.contacts, *self.known.contacts]}
        key = "filterCriteria" if "Platform" in operation else SPOKEN[self.dialect.name].condition
        if operation.startswith("preview"):
            return {key: self.condition()}
        segment: dict[str, Any] = {"name": f"Segment {self.made}", key: self.condition()}
        if operation == "dryRunSegment":
            # Some of Misar's are static, and rejected.
            replaced = {"segment_id": self.rng.choice(self.known.segments)}
            return segment | (replaced if self.rng.random() < 0.5 else {})
        kind = {"segment_type": self.rng.choice(("dynamic", "static"))}
        return segment | (kind if operation.startswith("create") else {})

    def condition(self) -> Any:
        """Return a condition in the dialect's words."""
        node = canonical.read(expressible(random_conditions.condition(self.rng, depth=2)), "UTC")
        return json.loads(write_condition(node, SPOKEN[self.dialect.name].words))

    def list(self, *, dynamic: bool) -> dict[str, Any]:
        """Return a list's fields."""
        created = {"name": f"List {self.made}", "description": "Friends"}
        return created | ({"type": "dynamic", "conditions": self.condition()} if dynamic else {})

    def webhook(self) -> dict[str, Any]:
        """Return a webhook's fields."""
        events = ["contact.created", "contact.updated", "email.unsubscribed"]
        return {"url": "https://example.com/hook", "events": events, "secret": "shh", "is_active": True}

    def contact(self, email: str) -> dict[str, Any]:
        """Return a contact's fields."""
        attributes = {"plan": "pro", "seats": 3, "nested": {"a": [1, "b"]}}
        return {
            "email": email,
            "first_name": "Ada",
            "tags": ["vip", "new"],
            "subscribed": True,
            "engagement_score": 50,
            "last_opened_at": "2026-01-01T00:00:00Z",
            SPOKEN[self.dialect.name].attributes: attributes,
        }


def expressible(condition: dict[str, Any]) -> dict[str, Any]:
    """Return a canonical condition without negations, because the vendors negate only by operators."""
    if "not" in condition:
        return expressible(condition["not"])
    return {
        key: [expressible(item) for item in part] if key in ("all", "any") else part
        for key, part in condition.items()
    }


def _without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name != key}
