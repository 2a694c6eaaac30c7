"""What each field says, for the documents: by its name, or by its object where the name alone is not enough.

Both dialects share the table, as they share the contacts and segments it tells of. Fields that are objects
of a name are told of there, and those whose structs describe them are not in it.
"""

from collections.abc import Mapping
from typing import Any, Final

from diglot.conditions.fields import CATALOGUE

_EVERY_TAG: Final = "All of the contact's tags: those that are left out are taken off it."
FIELD_DESCRIPTIONS: Final[Mapping[str, str]] = {
    # contacts
    **{field.name: field.description for field in CATALOGUE if field.description},
    "ContactPatch.tags": _EVERY_TAG,
    "ContactPatchByEmail.tags": _EVERY_TAG,
    "ContactFields.tags": _EVERY_TAG,
    "ImportContact.tags": _EVERY_TAG,
    "engagement_tier": "Which fifth of 0 to 100 the engagement score lies in; null without one.",
    "score": "The engagement score, from 0 to 100; null where there is none.",
    "tier": "Which fifth of 0 to 100 the score lies in; null where there is none.",
    "list_id": "A static list that the new contact is put on.",
    "contacts": "Contacts, newest first.",
    "ImportBody.contacts": "Contacts to make, or to change where one has the address.",
    "ids": "The ids of contacts.",
    "not_found": "The ids that no contact has.",
    # segments, lists and tags
    "id": "Its id.",
    "name": "Its name.",
    "description": "What it is for, in words of your own.",
    "color": "The color of the tag where it is shown: `#` and 3 or 6 hexadecimal digits.",
    "contact_count": "How many contacts are members.",
    "Tag.contact_count": "How many contacts bear the tag.",
    "Tagged.contact_count": "How many contacts bear the tag now.",
    "membership_count": "The same as `contact_count`.",
    "member_count": "How many contacts are on the list.",
    "added": "How many contacts came; those who were there already are not counted.",
    "last_calculated_at": "When the rules were last evaluated for all contacts; null for a draft. Members "
    "follow every write and the clock all the same.",
    "count_as_of": "When the count is true: no later write is in it.",
    "next_change_at": "Before it time alone changes no member; null where time never does.",
    "rules": "Rules, and groups in the place of rules.",
    "conditions": "The conditions of a dynamic list; null for one that is filled by hand.",
    "Explained.conditions": "The conditions with a verdict on each; null for a static list.",
    "filter_criteria": "The rules with a verdict on each; null for a static segment.",
    "segments": "Segments, newest first.",
    "segment_id": "The id of the segment.",
    "contact_id": "The id of the contact.",
    "MemberChange.contact_id": "The id of the contact; null where it is no longer known.",
    "NamedContacts.contact_id": "The id of one contact.",
    "contact_ids": "The ids of contacts.",
    "contactIds": "The ids of contacts.",
    "total_matching": "How many contacts are members.",
    "count": "How many contacts match.",
    "CountedRule.count": "How many contacts this rule alone is true of.",
    "PlatformMembersCount.count": "How many members the segment has now.",
    "estimated_count": "The same as `count`.",
    "sample": "The newest of those who match.",
    "sampleContacts": "The newest of those who match.",
    # explained, tried, and what changed
    "is_member": "Whether the contact is a member.",
    "entered_at": "When the contact became a member, where that is known.",
    "cause": "What made the contact a member, where that is known.",
    "as_of": "When all of this is true.",
    "BothPagination.as_of": "Of the past: the change after which the page is true.",
    "MembersPagination.as_of": "Of the past: the change after which the page is true.",
    "PlatformMembersAnswer.as_of": "Of the past: the change after which the answer is true.",
    "resolved": "The instants that the days of the rule stand for now; null for rules without days.",
    "from": "At or after this instant.",
    "to": "At or before this instant.",
    "before": "Earlier than this instant.",
    "DryRunData.total": "How many contacts would be members.",
    "current_total": "How many are members of the segment now; null without one.",
    "entering": "How many would become members; null without a segment.",
    "leaving": "How many would no longer be members; null without a segment.",
    "predicates": "Each rule with its own count, in the order of the body.",
    "entering_sample": "The newest of those who would become members; null without a segment.",
    "leaving_sample": "The newest of those who would no longer be members; null without a segment.",
    "sequence": "The number of the change: they go up, and the feed leaves none out.",
    "at": "When it happened.",
    "after": "The sequence number that was asked from.",
    "through": "Every change up to this number is shown; ask on after it.",
    "newest": "The number of the last change in the workspace, of whatever segment.",
    # pages
    "page": "Which page it is, from 1.",
    "limit": "How many a page may have.",
    "offset": "How many were skipped.",
    "total": "How many there are on all pages.",
    "total_pages": "How many pages there are.",
    "totalPages": "How many pages there are.",
    "has_more": "Whether there are more after these.",
    "deleted": "Of the past: how many of the total are deleted since, and not shown.",
    "BulkDeleteAnswer.deleted": "How many contacts were deleted.",
    "data": "What was asked for, in order.",
    # imports and other answers
    "success": "True, except in the answer to a fault.",
    "imported": "How many contacts are new.",
    "updated": "How many contacts are as the update says.",
    "skipped": "How many contacts existed and were left as they are.",
    "ImportAnswer.errors": "A line for each contact that was refused.",
    "ImportSummary.errors": "How many contacts were refused.",
    "failed": "How many contacts were refused.",
    "ImportBody.tags": "Tags that every contact of the import gets beside those it has, or is given here.",
    "updateExisting": "Whether contacts that exist are changed, as they are if this is left out; if not, "
    "they are skipped.",
    "file": "The file: comma-separated values, with the names of fields in the first row.",
    # faults
    "error": "What went wrong, in words.",
    "formErrors": "Faults of the body as a whole.",
    "retryAfter": "How many seconds to wait.",
    "code": "What went wrong, in a word that stays the same, such as `validation_error` or `not_found`.",
    "message": "What went wrong, in words.",
    "path": "The keys of the body that lead to the fault, with dots between.",
    # keys
    "key": "The secret: it is shown this once.",
    "keyId": "The id of the key.",
    "key_prefix": "How the secret begins.",
    "prefix": "How the secret begins.",
    "keys": "Keys, newest first.",
    "scopes": "What the key may do; without them, what the key that asks may.",
    "allowed_account_id": "A sending account: kept and shown, nothing is sent.",
    "is_active": "Whether it is in use.",
    "Key.is_active": "Whether the key still opens: it is neither revoked nor past its end.",
    "last_used_at": "When the key was last used.",
    "created_at": "When it was made.",
    "createdAt": "When it was made.",
    "updated_at": "When it was last changed.",
    "expires_at": "When the key stops; null where it never does.",
    "expiresAt": "When the key stops; null where it never does.",
    # webhooks
    "url": "Where events are posted to.",
    "targetUrl": "Where events are posted to.",
    "events": "Which events are told.",
    "secret": "What signs the deliveries, by HMAC-SHA256.",
    "webhooks": "The same as `data`.",
    "ContactListAnswer.contacts": "The same as `data`.",
    "WebhookEvent.type": "What happened.",
    "WebhookEvent.error": "Why the last attempt failed, where no answer came.",
    "attempts": "How many times it was sent.",
    "status_code": "What the address answered last.",
    "response_body": "The beginning of that answer's body.",
    "delivered_at": "When it was accepted.",
    "next_attempt_at": "When it is sent next; null where it is not.",
    # what contacts did
    "event_id": "The id of the event.",
    "event_data": "Data of your own, kept with the event.",
    "page_url": "The page on which it happened.",
    "referrer": "The page that led there.",
    "messageId": "Your own id of the message: kept with it.",
    "tracked": "Always true: it is stored.",
    "TrackEvent.source": "What told of it, in words of your own.",
    "TrackEvent.email": "The address of the contact.",
    "TrackPurchase.email": "The address of the contact.",
    "ConversionCreate.email": "The address of the contact, in the place of `contact_id`.",
    "ProductViewCreate.email": "The address of the contact, in the place of `contact_id`.",
    "order_id": "Your own id of the order; the same one counts once.",
    "total_cents": "What the order is worth, in hundredths of the currency.",
    "currency": "The currency, in three letters.",
    "purchase_id": "The id of the purchase.",
    "campaign_id": "The campaign that earned it.",
    "TrackEvent.campaign_id": "The campaign in which it happened.",
    "automation_id": "The automation that earned it.",
    "flow_id": "The flow that earned it.",
    "click_timestamp": "When the click was that earned it.",
    "campaign": "The campaign that earned it.",
    "flow": "The flow that earned it.",
    "attribution_model": "How it was decided who earned it: kept as it is said.",
    "revenue": "What it is worth, in units of the currency.",
    "converted_at": "When it happened.",
    "metadata": "Data of your own, kept with it.",
    "ConversionCreate.type": "What sort of conversion it is.",
    "viewed_at": "When the product was looked at.",
    "product_id": "Your own id of the product.",
    "product_name": "The name of the product.",
    "product_url": "The page of the product.",
    "variant_id": "Your own id of the variant.",
    "image_url": "A picture of the product.",
    "price": "The price, in units of the currency.",
    "category": "The category of the product.",
    "brand": "The brand of the product.",
    "sku": "The stock keeping unit.",
    "session_id": "Your own id of the visit.",
}


def add_descriptions(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the named schema of an object with what each of its fields says."""
    if "properties" not in schema:
        return schema
    told = {field: _describe_field(name, field, part) for field, part in schema["properties"].items()}
    return {**schema, "properties": told}


def _describe_field(name: str, field: str, part: dict[str, Any]) -> dict[str, Any]:
    if "description" in part or "$ref" in part:
        return part
    text = FIELD_DESCRIPTIONS.get(f"{name}.{field}", FIELD_DESCRIPTIONS.get(field))
    return part if text is None else {"description": text, **part}
