"""How common tools export contacts: data for `columns`, for each column that needs more than its name.

`fields` maps a column to a field or `attributes.KEY`; of several columns for one field the first counts.
`statuses` are columns that may lower a status, with the meaning of each word; None changes nothing, and any
other word refuses the file. Most opt-out columns of the tools are in `opt_outs.columns`, which holds with and
without a preset. A contact that has not confirmed its subscription counts as unsubscribed, because the tool
does not write to it either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_U: Final = "unsubscribed"
_B: Final = "bounced"
_C: Final = "complained"
Words = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Preset:
    """The columns of one tool's export; `tag_separator` replaces the rules for a cell of tags."""

    fields: Mapping[str, str]
    statuses: Mapping[str, Words] = field(default_factory=dict)
    tag_separator: str | None = None


PRESETS: Final[Mapping[str, Preset]] = {
    "activecampaign": Preset(
        {
            "Email Address": "email",
            "Account": "company",
            "Customer Account": "company",
            "Contact ID": "attributes.activecampaign_id",
        },
        {
            "Status": {
                "active": None,
                "1": None,
                "unconfirmed": _U,
                "0": _U,
                "any": None,
                "-1": None,
                "unsubscribed": _U,
                "2": _U,
                "bounced": _B,
                "3": _B,
            }
        },
    ),
    "brevo": Preset(
        {
            "VORNAME": "first_name",
            "NACHNAME": "last_name",
            "PRENOM": "first_name",
            "NOM": "last_name",
            "SMS": "phone",
            "CONTACT ID": "attributes.brevo_id",
        },
        {
            "EMAIL_MARKETING": {
                "subscribed": None,
                "unsubscribed": _U,
                "blocklisted": _U,
                "never subscribed": _U,
            },
            "DOUBLE_OPT-IN": {"1": None, "yes": None, "2": _U, "no": _U},
        },
    ),
    "google": Preset(
        {
            "Given Name": "first_name",
            "Family Name": "last_name",
            "E-mail 1 - Value": "email",
            "Phone 1 - Value": "phone",
            "Organization Name": "company",
            "Organization 1 - Name": "company",
            "Organization Title": "job_title",
            "Organization 1 - Title": "job_title",
            "Labels": "tags",
            "Group Membership": "tags",
        },
        tag_separator=":::",
    ),
    "hubspot": Preset(
        {
            "Phone Number": "phone",
            "Company name": "company",
            "Associated Company": "attributes.Associated Company",
            "Record ID": "attributes.hubspot_id",
            "Record ID - Contact": "attributes.hubspot_id",
        },
    ),
    "klaviyo": Preset(
        {
            "Organization": "company",
            "Title": "job_title",
            "Phone Number": "phone",
            "Source": "attributes.klaviyo_source",
            "Klaviyo ID": "attributes.klaviyo_id",
        },
        {
            "Email Marketing Consent": {"subscribed": None, "unsubscribed": _U, "never subscribed": _U},
            "Email Marketing": {"subscribed": None, "unsubscribed": _U, "never subscribed": _U},
        },
    ),
    "listmonk": Preset(
        {"uuid": "attributes.listmonk_uuid", "name": "attributes.name"},
        {
            "status": {"enabled": None, "disabled": _U, "blocklisted": _U},
            "subscription_status": {"confirmed": None, "unconfirmed": _U, "unsubscribed": _U},
        },
    ),
    "mailchimp": Preset(
        {"Email Address": "email", "Phone Number": "phone", "Company name": "company", "Company": "company"},
    ),
    "mautic": Preset(
        {
            "position": "job_title",
            "mobile": "phone",
            "title": "attributes.title",
            "stage": "attributes.stage",
            "contact_id": "attributes.mautic_id",
        },
    ),
    "outlook": Preset(
        {
            "E-mail Address": "email",
            "Mobile Phone": "phone",
            "Categories": "tags",
            "Title": "attributes.Title",
        },
    ),
}
