"""Recognizes the tool that wrote a file by its columns, to propose a preset."""

from collections.abc import Mapping, Sequence
from typing import Final

from diglot.api.imports.columns import squeeze_name

# Names of columns that one tool writes and others rarely do.
_SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "activecampaign": ("Contact ID", "Customer Account", "bounced_hard", "bounced_soft", "Unsubscribe Date"),
    "brevo": ("CONTACT ID", "EMAIL_MARKETING", "DOUBLE_OPT-IN", "SMS", "VORNAME", "PRENOM", "ADDED_TIME"),
    "google": (
        "E-mail 1 - Value",
        "E-mail 1 - Type",
        "E-mail 1 - Label",
        "Group Membership",
        "Phone 1 - Value",
    ),
    "hubspot": ("Record ID", "Record ID - Contact", "Contact owner", "Lifecycle Stage", "Associated Company"),
    "klaviyo": ("Klaviyo ID", "Email Marketing Consent", "Email Marketing", "Email Suppressions"),
    "listmonk": ("uuid", "subscription_status", "attributes", "attribs"),
    "mailchimp": ("MEMBER_RATING", "OPTIN_TIME", "CONFIRM_TIME", "LEID", "EUID", "UNSUB_TIME", "CLEAN_TIME"),
    "mautic": ("doNotContact", "date_identified", "mautic_id", "contact_id", "points", "stage"),
    "outlook": ("E-mail Address", "E-mail Display Name", "E-mail Type", "Categories", "Business Street"),
}
_FEWEST_SIGNS: Final = 2
TOOL_TITLES: Final[Mapping[str, str]] = {
    "activecampaign": "ActiveCampaign",
    "brevo": "Brevo",
    "google": "Google Contacts",
    "hubspot": "HubSpot",
    "klaviyo": "Klaviyo",
    "listmonk": "listmonk",
    "mailchimp": "Mailchimp",
    "mautic": "Mautic",
    "outlook": "Outlook",
}


def recognize_tool(header: Sequence[str]) -> str | None:
    """Return the preset of the tool whose columns a file has; None if none or several fit."""
    names = set(map(squeeze_name, header))
    found = {tool: len(names & set(map(squeeze_name, signs))) for tool, signs in _SIGNS.items()}
    most = max(found.values())
    likely = [tool for tool, number in found.items() if number == most]
    return likely[0] if most >= _FEWEST_SIGNS and len(likely) == 1 else None
