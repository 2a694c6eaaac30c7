"""Descriptions of fields for the OpenAPI documents, by field name or by `Object.field`, which wins.

Both dialects share the table. It has no rows for fields whose structs or named schemas have a description.
"""

from collections.abc import Mapping
from typing import Any, Final

from diglot.conditions.fields import CATALOGUE

_EVERY_TAG: Final = "All tags of the contact: tags that are not in the list are removed from it."
FIELD_DESCRIPTIONS: Final[Mapping[str, str]] = {
    # contacts
    **{field.name: field.description for field in CATALOGUE if field.description},
    "ContactPatch.tags": _EVERY_TAG,
    "ContactPatchByEmail.tags": _EVERY_TAG,
    "ContactFields.tags": _EVERY_TAG,
    "ImportContact.tags": _EVERY_TAG,
    "engagement_tier": "The fifth of the range 0 to 100 that contains the engagement score; null without a "
    "score.",
    "score": "The engagement score, from 0 to 100; null if there is none.",
    "tier": "The fifth of the range 0 to 100 that contains the score; null without a score.",
    "list_id": "A static list to add the new contact to.",
    "contacts": "Contacts, newest first.",
    "ImportBody.contacts": "Contacts to create, or to update if a contact with the address exists.",
    "ids": "The ids of contacts.",
    "not_found": "The ids for which no contact exists.",
    # imports of files
    "FileImport.name": "The name of the file, or that which the client gave.",
    "FileImport.size": "The size of the file in bytes.",
    "FileImport.total_rows": "The number of rows; null until the file is checked.",
    "FileImport.rows": "The number of rows that are done.",
    "FileImport.created": "Rows that created a contact.",
    "FileImport.updated": "Rows that changed a contact.",
    "FileImport.unchanged": "Rows whose contact had these values already.",
    "FileImport.skipped": "Rows whose contact exists and was left as it is.",
    "FileImport.refused": "Rows that were not imported.",
    "FileImport.unsubscribed": "Contacts to which this import gave another status than `subscribed`.",
    "FileImport.custom_fields": "The columns that are stored as custom fields.",
    "FileImport.dry_run": "Whether it is a dry run, which writes no contact.",
    "FileImport.warnings": "What is probably not meant in the file; empty if nothing. A warning changes "
    "nothing.",
    "FileImport.error": "Why the file was refused; null if it was not.",
    "ImportFile.file": "A file of comma-separated values; its first row names the columns.",
    "FileImportsPagination.total": "The number of imports.",
    "FileImportsPagination.offset": "The number of newer imports that were passed over.",
    # segments, lists and tags
    "id": "Its id.",
    "name": "Its name.",
    "description": "A description, as free text.",
    "color": "The display color of the tag: `#` and 3 or 6 hexadecimal digits.",
    "contact_count": "The number of members.",
    "Tag.contact_count": "The number of contacts with the tag.",
    "Tagged.contact_count": "The number of contacts with the tag after this change.",
    "membership_count": "The same as `contact_count`.",
    "member_count": "The number of contacts on the list.",
    "added": "The number of contacts that were added, without those that were on it already.",
    "last_calculated_at": "When the rules were last evaluated for all contacts; null for a draft. Members "
    "are current even if this is long ago, because they follow every write and the clock.",
    "count_as_of": "The time at which the count was true; it includes no later write.",
    "next_change_at": "Until then, the passing of time alone does not change the members; null if it never "
    "does.",
    "warnings": "What is probably not meant by the rules; empty if nothing. A warning never changes a "
    "status. A server that emulates its vendor strictly leaves this out.",
    "rules": "Rules and nested groups.",
    "conditions": "The conditions of a dynamic list; null for a static list.",
    "Explained.conditions": "The conditions with a verdict on each; null for a static list.",
    "filter_criteria": "The rules with a verdict on each; null for a static segment.",
    "segments": "Segments, newest first.",
    "segment_id": "The id of the segment.",
    "contact_id": "The id of the contact.",
    "MemberChange.contact_id": "The id of the contact; null if it is no longer known.",
    "NamedContacts.contact_id": "The id of one contact.",
    "contact_ids": "The ids of contacts.",
    "contactIds": "The ids of contacts.",
    "total_matching": "The number of members.",
    "count": "The number of contacts that match.",
    "CountedRule.count": "The number of contacts that match this rule alone.",
    "PlatformMembersCount.count": "The current number of members.",
    "estimated_count": "The same as `count`.",
    "sample": "The newest contacts that match.",
    "sampleContacts": "The newest contacts that match.",
    # explanations, dry runs and changes
    "is_member": "Whether the contact is a member.",
    "entered_at": "When the contact became a member, if known.",
    "cause": "What made the contact a member, if known.",
    "as_of": "The time at which all of this was true.",
    "BothPagination.as_of": "The change after which the page was true; only for pages of the past.",
    "MembersPagination.as_of": "The change after which the page was true; only for pages of the past.",
    "PlatformMembersAnswer.as_of": "The change after which the response was true; only for the past.",
    "resolved": "The time range that the days of the rule stand for now; null for rules without days.",
    "from": "At or after this instant.",
    "to": "At or before this instant.",
    "before": "Earlier than this instant.",
    "DryRunData.total": "The number of contacts that would be members.",
    "current_total": "The current number of members of the segment; null without a segment.",
    "entering": "The number of contacts that would become members; null without a segment.",
    "leaving": "The number of contacts that would no longer be members; null without a segment.",
    "predicates": "Each rule with its own count, in the order of the body.",
    "entering_sample": "The newest contacts that would become members; null without a segment.",
    "leaving_sample": "The newest contacts that would no longer be members; null without a segment.",
    "sequence": "The sequence number of the change. Numbers increase, and the feed skips no change.",
    "at": "When it happened.",
    "after": "The sequence number from the request.",
    "through": "The page includes every change up to this number; pass it as `after` for the next page.",
    "newest": "The number of the last change in the workspace, for any segment.",
    # pages
    "page": "The number of the page, from 1.",
    "limit": "The maximum number of items on a page.",
    "offset": "The number of items that were skipped.",
    "total": "The number of items on all pages.",
    "total_pages": "The number of pages.",
    "totalPages": "The number of pages.",
    "has_more": "Whether more items follow.",
    "deleted": "The number of contacts in the total that were deleted since and are not shown; only for "
    "the past.",
    "BulkDeleteAnswer.deleted": "The number of contacts that were deleted.",
    "data": "The requested items, in order.",
    # imports and other responses
    "success": "True, except in error responses.",
    "imported": "The number of contacts that were created.",
    "updated": "The number of contacts that were updated.",
    "skipped": "The number of contacts that existed and were not changed.",
    "ImportAnswer.errors": "One line for each contact that was rejected.",
    "ImportAnswer.custom_field_columns": "The columns of a file that are stored as custom fields, because no "
    "field has their name.",
    "ImportAnswer.warnings": "What is probably not meant in the import; empty if nothing. A warning changes "
    "nothing.",
    "ImportSummary.errors": "The number of contacts that were rejected.",
    "failed": "The number of contacts that were rejected.",
    "ImportBody.tags": "Tags to add to every contact of the import, in addition to its own.",
    "updateExisting": "Whether to update contacts that exist, which is the default; false skips them.",
    "file": "The file: comma-separated values, with field names in the first row.",
    # errors
    "error": "A description of the error.",
    "formErrors": "Errors of the body as a whole.",
    "retryAfter": "The number of seconds to wait before retrying.",
    "code": "A stable error code, such as `validation_error` or `not_found`.",
    "message": "A description of the error.",
    "path": "The path of the invalid value in the body, with dots as separators.",
    # keys
    "key": "The secret of the key, which is shown only once.",
    "keyId": "The id of the key.",
    "key_prefix": "The first characters of the secret.",
    "prefix": "The first characters of the secret.",
    "keys": "Keys, newest first.",
    "scopes": "The scopes of the key; the default is those of the calling key.",
    "allowed_account_id": "A sending account, which is only stored and shown: Diglot sends no email.",
    "is_active": "Whether it is active.",
    "Key.is_active": "Whether the key works: it is neither revoked nor expired.",
    "last_used_at": "When the key was last used.",
    "created_at": "When it was created.",
    "createdAt": "When it was created.",
    "updated_at": "When it was last updated.",
    "expires_at": "When the key expires; null if it never does.",
    "expiresAt": "When the key expires; null if it never does.",
    # webhooks
    "url": "The URL to which events are posted.",
    "targetUrl": "The URL to which events are posted.",
    "events": "The events that are sent.",
    "secret": "The secret that signs the deliveries with HMAC-SHA256.",
    "webhooks": "The same as `data`.",
    "ContactListAnswer.contacts": "The same as `data`.",
    "WebhookEvent.type": "The type of the event.",
    "WebhookEvent.error": "Why the last attempt failed, if there was no response.",
    "attempts": "The number of attempts.",
    "status_code": "The status of the last response.",
    "response_body": "The beginning of the body of the last response.",
    "delivered_at": "When the receiver accepted it.",
    "next_attempt_at": "When the next attempt is due; null if none is.",
    # events of contacts
    "event_id": "The id of the event.",
    "event_data": "Custom data, stored with the event.",
    "page_url": "The page on which it happened.",
    "referrer": "The page that led there.",
    "messageId": "Your id of the message, stored with the event.",
    "tracked": "Always true, because the event is stored.",
    "TrackEvent.source": "The source of the event, as free text.",
    "TrackEvent.email": "The email address of the contact.",
    "TrackPurchase.email": "The email address of the contact.",
    "ConversionCreate.email": "The email address of the contact, instead of `contact_id`.",
    "ProductViewCreate.email": "The email address of the contact, instead of `contact_id`.",
    "order_id": "Your id of the order; the same id counts once.",
    "total_cents": "The total of the order, in hundredths of the currency.",
    "currency": "The currency, as a code of three letters.",
    "purchase_id": "The id of the purchase.",
    "campaign_id": "The campaign that it is attributed to.",
    "TrackEvent.campaign_id": "The campaign in which it happened.",
    "automation_id": "The automation that it is attributed to.",
    "flow_id": "The flow that it is attributed to.",
    "click_timestamp": "The time of the click that it is attributed to.",
    "campaign": "The campaign that it is attributed to.",
    "flow": "The flow that it is attributed to.",
    "attribution_model": "The attribution model, stored as sent.",
    "revenue": "The revenue, in units of the currency.",
    "converted_at": "When it happened.",
    "metadata": "Custom data, stored with it.",
    "ConversionCreate.type": "The type of the conversion.",
    "viewed_at": "When the product was viewed.",
    "product_id": "Your id of the product.",
    "product_name": "The name of the product.",
    "product_url": "The page of the product.",
    "variant_id": "Your id of the variant.",
    "image_url": "An image of the product.",
    "price": "The price, in units of the currency.",
    "category": "The category of the product.",
    "brand": "The brand of the product.",
    "sku": "The stock keeping unit.",
    "session_id": "Your id of the visit.",
}


def add_descriptions(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the named schema of an object with a description for each of its fields."""
    if "properties" not in schema:
        return schema
    told = {field: _describe_field(name, field, part) for field, part in schema["properties"].items()}
    return {**schema, "properties": told}


def _describe_field(name: str, field: str, part: dict[str, Any]) -> dict[str, Any]:
    if "description" in part or "$ref" in part:
        return part
    text = FIELD_DESCRIPTIONS.get(f"{name}.{field}", FIELD_DESCRIPTIONS.get(field))
    return part if text is None else {"description": text, **part}
