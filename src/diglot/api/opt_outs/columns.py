"""The opt-out columns of common tools: data, one row for each column.

Names are compared without case, white space and punctuation. `names` recognizes columns that have no row.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_U: Final = "unsubscribed"
_B: Final = "bounced"
_C: Final = "complained"


class Reading(enum.Enum):
    """The rule that converts the value of a column to a status."""

    # Yes or a date lowers the status; no changes nothing.
    OPT_OUT = enum.auto()
    # No lowers the status; yes or a date changes nothing, because an import never raises a status.
    CONSENT = enum.auto()
    # The name mentions opting in and out, so a yes is ambiguous: only status words are accepted.
    EITHER = enum.auto()
    # A time, a reason or a campaign: any value lowers the status.
    PRESENT = enum.auto()
    # A number of times: above 0 lowers the status.
    COUNT = enum.auto()
    # Not an opt-out name, but its values may be opt-out words; all other values are ignored.
    HINT = enum.auto()
    # Like HINT, but no lowers the status too.
    HINT_NO = enum.auto()
    # Like HINT, but yes lowers the status too.
    HINT_YES = enum.auto()
    # The status of a subscription or an address: a value that is neither an opt-out nor consent is unknown.
    STATED = enum.auto()
    # Only the words of the column itself are understood.
    WORDS = enum.auto()


@dataclass(frozen=True, slots=True)
class OptOutColumn:
    """An opt-out column; `status` is the status that it lowers a contact to.

    `codes` are the numbers that one tool writes instead of words. `words` are the only values of a column of
    a preset, in lower case with single spaces: the status that each lowers to, or None.
    """

    reading: Reading
    status: str = _U
    codes: Mapping[float, str] = field(default_factory=dict)
    words: Mapping[str, str | None] = field(default_factory=dict)


_OPT_OUT: Final = OptOutColumn(Reading.OPT_OUT)
_CONSENT: Final = OptOutColumn(Reading.CONSENT)
_PRESENT: Final = OptOutColumn(Reading.PRESENT)
_HINT: Final = OptOutColumn(Reading.HINT)
_STATED: Final = OptOutColumn(Reading.STATED)
_FLAG: Final = OptOutColumn(Reading.HINT_NO)
_BOUNCED: Final = OptOutColumn(Reading.OPT_OUT, _B)
_BOUNCED_ONCE: Final = OptOutColumn(Reading.PRESENT, _B)
_BOUNCES: Final = OptOutColumn(Reading.COUNT, _B)
_COMPLAINED: Final = OptOutColumn(Reading.OPT_OUT, _C)
# Reason codes of Mautic's channels: 1 unsubscribed, 2 bounced, 3 set by hand.
_MAUTIC: Final = OptOutColumn(Reading.OPT_OUT, codes={2: _B, 3: _U})

# Tool, column name, column; None for a column that does not concern email opt-outs.
KNOWN_COLUMNS: Final[tuple[tuple[str, str, OptOutColumn | None], ...]] = (
    ("HubSpot", "Unsubscribed from all email", _OPT_OUT),
    ("HubSpot", "hs_email_optout", _OPT_OUT),
    ("HubSpot", "Opted out of email", _OPT_OUT),
    ("HubSpot", "Invalid email address", _BOUNCED),
    ("HubSpot", "hs_email_bad_address", _BOUNCED),
    ("HubSpot", "Email hard bounce reason", _BOUNCED_ONCE),
    ("HubSpot", "hs_email_hard_bounce_reason_enum", _BOUNCED_ONCE),
    ("HubSpot", "Email address quarantined", _OPT_OUT),
    ("HubSpot", "hs_email_quarantined", _OPT_OUT),
    ("HubSpot", "Email address quarantine reason", _PRESENT),
    # Counts soft and hard bounces; the reason column above distinguishes them.
    ("HubSpot", "Marketing emails bounced", None),
    ("HubSpot", "hs_email_bounce", None),
    ("Salesforce", "HasOptedOutOfEmail", _OPT_OUT),
    ("Salesforce", "Email Opt Out", _OPT_OUT),
    ("Salesforce", "Email Bounced Date", _BOUNCED_ONCE),
    ("Salesforce", "EmailBouncedReason", _BOUNCED_ONCE),
    ("Salesforce", "IsEmailBounced", _BOUNCED),
    ("Salesforce", "HasOptedOutOfFax", None),
    ("Salesforce", "DoNotCall", None),
    ("Dynamics 365", "Do not allow Emails", _OPT_OUT),
    ("Dynamics 365", "Do not allow Bulk Emails", _OPT_OUT),
    ("Dynamics 365", "DoNotEMail", _OPT_OUT),
    ("Dynamics 365", "DoNotBulkEMail", _OPT_OUT),
    ("Dynamics 365", "DoNotSendMM", _OPT_OUT),
    ("Dynamics 365", "DoNotPostalMail", None),
    ("Zoho CRM", "Email Opt Out", _OPT_OUT),
    ("Zoho CRM", "Unsubscribed Mode", _PRESENT),
    ("Zoho CRM", "Unsubscribed Time", _PRESENT),
    ("Pipedrive", "Marketing status", _STATED),
    ("Mailchimp", "UNSUB_TIME", _PRESENT),
    ("Mailchimp", "UNSUB_REASON", _PRESENT),
    ("Mailchimp", "UNSUB_REASON_OTHER", _PRESENT),
    ("Mailchimp", "UNSUB_CAMPAIGN_TITLE", _PRESENT),
    ("Mailchimp", "UNSUB_CAMPAIGN_ID", _PRESENT),
    ("Mailchimp", "CLEAN_TIME", _BOUNCED_ONCE),
    ("Mailchimp", "CLEAN_CAMPAIGN_TITLE", _BOUNCED_ONCE),
    ("Mailchimp", "CLEAN_CAMPAIGN_ID", _BOUNCED_ONCE),
    ("Mailchimp", "cleaned", _BOUNCED),
    ("Mailchimp", "OPTIN_TIME", None),
    ("Mailchimp", "OPTIN_IP", None),
    ("Klaviyo", "Email Marketing Consent", _CONSENT),
    ("Klaviyo", "Email Marketing Consent Timestamp", None),
    ("Klaviyo", "$consent", _CONSENT),
    ("Klaviyo", "$consent_timestamp", None),
    ("Klaviyo", "$consent_method", None),
    ("Klaviyo", "Email Suppressions", _PRESENT),
    ("Klaviyo", "Suppressed At", _PRESENT),
    ("Klaviyo", "SMS Marketing Consent", None),
    ("Brevo", "emailBlacklisted", _OPT_OUT),
    ("Brevo", "EMAIL_BLOCKLISTED", _OPT_OUT),
    ("Brevo", "Blocklisted", _OPT_OUT),
    ("Brevo", "blacklist", _OPT_OUT),
    ("Brevo", "smsBlacklisted", None),
    ("Brevo", "OPT_IN", _CONSENT),
    ("Brevo", "DOUBLE_OPT-IN", _CONSENT),
    ("Mautic", "doNotContact", _MAUTIC),
    ("Mautic", "do_not_contact", _MAUTIC),
    ("Mautic", "dnc", _MAUTIC),
    ("Mautic", "dnc_email", _MAUTIC),
    ("Mautic", "dnc_sms", None),
    ("ActiveCampaign", "Unsubscribe Date", _PRESENT),
    ("ActiveCampaign", "Unsubscribe Reason", _PRESENT),
    ("ActiveCampaign", "bounced_hard", _BOUNCES),
    ("ActiveCampaign", "bounced_soft", None),
    ("Constant Contact", "Email status", _STATED),
    ("Constant Contact", "Email permission status", _CONSENT),
    ("Constant Contact", "Email opt out date", _PRESENT),
    ("Constant Contact", "Email opt out reason", _PRESENT),
    ("MailerLite", "Unsubscribed", _OPT_OUT),
    ("MailerLite", "Date unsubscribed", _PRESENT),
    ("MailUp", "OptOut_Date", _PRESENT),
    ("MailUp", "optout_nl", _PRESENT),
    ("Campaign Monitor", "ConsentToTrack", None),
    ("Campaign Monitor", "Consent to track", None),
    ("SendGrid", "Global unsubscribe", _OPT_OUT),
    ("Customer.io", "unsubscribed", _OPT_OUT),
    ("Intercom", "unsubscribed_from_emails", _OPT_OUT),
    ("Intercom", "has_hard_bounced", _BOUNCED),
    ("Intercom", "marked_email_as_spam", _COMPLAINED),
    ("Sendy", "bounced", _BOUNCED),
    ("Sendy", "bounce_soft", None),
    ("Sendy", "complaint", _COMPLAINED),
    ("listmonk", "blocklisted", _OPT_OUT),
    ("listmonk", "subscription_status", _STATED),
    ("Shopify", "Accepts Email Marketing", _CONSENT),
    ("Shopify", "Accepts Marketing", _CONSENT),
    ("Shopify", "accepts_marketing", _CONSENT),
    ("Shopify", "Accepts SMS Marketing", None),
    ("Voyado", "acceptsEmail", _CONSENT),
    ("PrestaShop", "Newsletter", _FLAG),
    ("PrestaShop", "Opt-in", _CONSENT),
    ("Cordial", "channels.email.subscribeStatus", _STATED),
    ("Braze", "email_subscribe", _STATED),
    ("Braze", "email_unsubscribed_at", _PRESENT),
    ("EmailOctopus", "Unsubscribed at", _PRESENT),
    ("any", "Subscribed", _FLAG),
    ("any", "Status", _HINT),
    ("any", "blocked", _OPT_OUT),
    ("any", "is blocked", _OPT_OUT),
    ("any", "email blocked", _OPT_OUT),
    ("any", "no email", _OPT_OUT),
    ("any", "no emails", _OPT_OUT),
    ("any", "no mail", _OPT_OUT),
    ("any", "stop emails", _OPT_OUT),
    ("any", "email disabled", _OPT_OUT),
    ("any", "no marketing", _OPT_OUT),
    ("any", "no newsletter", _OPT_OUT),
    ("any", "GDPR", _CONSENT),
    ("any", "complaints", OptOutColumn(Reading.COUNT, _C)),
    ("any", "undeliverable", _BOUNCED),
    ("any", "spam", _COMPLAINED),
    ("any", "is spam", _COMPLAINED),
    ("any", "as spam", _COMPLAINED),
    ("any", "abuse", _COMPLAINED),
    ("any", "complained", _COMPLAINED),
)
