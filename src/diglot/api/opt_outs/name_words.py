"""Words and patterns that identify opt-out columns without a row in `columns`: data for `names`."""

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A lower-case name without any of these is no opt-out column; this check alone excludes most names.
STEMS: Final = re.compile(
    "opt|unsub|subs|consent|bounc|list|block|suppress|contact|mail|news|market|spam|complain|abuse|permission"
    "|send|solicit|stat|clean|deliver|gdpr|dnc"
    "|abgemeldet|abbestellt|widerruf|desinscri|desabonn|désinscri|désabonn|disiscri|afgemeld|uitgeschreven"
)
# Patterns for names in lower case with single spaces between words, and `email` instead of `e mail`.
OPT_OUT_NAME: Final = re.compile(
    r"\bopt(?:ed|ing|s)? outs?\b|\bopt in (?:or |and )?out\b|opt(?:ed|ing|s)?outs?"
    r"|\bunsubs?\b|unsubscri|\b(?:un|de|not|non|never|no longer) ?subscri"
    r"|\b(?:do not|dont|never|no longer) (?:\w+ )?(?:contact|email|mail|send|market|solicit|disturb)"
    r"|donot(?:contact|e?mail|bulke?mail|send|market)"
    r"|(?:block|black|deny|suppression|exclusion) ?list|\bsuppress"
    r"|abgemeldet|abbestellt|widerruf|d[eé]s(?:inscri|abonn)|disiscri|afgemeld|uitgeschreven"
)
BOUNCE_NAME: Final = re.compile(r"\bbounc(?:e(?!r)|ing)|(?:hard|mail)bounce")
COMPLAINT_NAME: Final = re.compile(
    r"\bspam (?:complain|report|flag|abuse)|spamcomplain|\babuse (?:complain|report)"
    r"|\b(?:marked|reported|flagged) (?:\w+ )?(?:as )?spam|\bcomplained\b"
)
CONSENT_NAME: Final = re.compile(
    r"consent|\bopt(?:ed|ing|s)? ins?\b|\bopt(?:ed)?in(?!g)|opt(?:ed)?ins?\b|\bopt out (?:or |and )?in\b"
    r"|\b(?:email|marketing|mailing) permission|\bpermission to (?:email|contact|market|mail|send)"
    r"|\baccept(?:s|ed)? (?:email |e )?(?:marketing|newsletters?|emails?|mailings?)\b"
    r"|accepts(?:marketing|email)"
)
SUBSCRIBE_NAME: Final = re.compile(
    r"(?<!un )(?<!de )(?<!not )(?<!non )(?<!never )(?<!longer )\bsubscribed?\b"
)
NOT_OPTED_OUT_NAME: Final = re.compile(
    r"\b(?:not|non|no|never|without) (?:\w+ )?"
    r"(?:opt(?:ed)? ?out|unsub|bounce|block ?list|black ?list|suppress)"
)
FLAG_NAME: Final = re.compile(
    r"(?:(?:is|has|are|currently|still|emails?|newsletters?|marketing|mailing|news|list) )*"
    r"subscribe[dr]?(?: (?:to|for) .*)?"
    r"|(?:email|newsletter|marketing|mailing)s? (?:list )?(?:subscriptions?|signup|updates?)"
    r"|(?:allow(?:s|ed)?|receives?|agree[ds]?|wants?) (?:to |receive )*"
    r"(?:marketing|newsletters?|emails?|mailings?)"
    r"|(?:marketing|newsletters?|emails?|mailings?) (?:allowed|enabled|agreed)"
)
# The status of a subscription or an address: all its values must be understood. `mailing state` is
# part of a postal address.
STATED_NAME: Final = re.compile(
    r"\b(?:(?:subscri(?:ptions?|be|bed|bers?)|lists?|permissions?|emails?|newsletters?) (?:status|state)"
    r"|(?:mail|mailing) status|status of (?:subscription|list|permission|email|newsletter))\b"
)
STATUS_WORDS: Final = frozenset({"status", "state"})
STATUS_OF: Final = _words(
    "email emails mail contact member subscriber subscription subscribed list lead mailing newsletter"
    " marketing audience profile customer person user recipient"
)

# Words that negate consent: `consent_withdrawn`, `no consent`.
CONTRARY: Final = _words(
    "no not non without lacks missing never withdrawn withdrew withdraw withdrawal revoked revoke"
    " revocation refused refusal denied declined rejected expired lapsed cancelled canceled removed"
)
# Words for links, ids and other means of opting out: in `unsubscribe_url` only a yes lowers the status.
MEANS: Final = _words("url link href token hash key code html footer page id")
# Words for possibilities or likelihoods, not facts: `bounce_rate`, `can_unsubscribe`.
CHANCES: Final = _words(
    "rate percent percentage ratio score risk probability likelihood prediction can may allow allowed"
)
# Words for other channels than email, or other matters than mailings, unless the name mentions email too.
ELSEWHERE: Final = _words(
    "sms phone telephone mobile cell call calls calling fax push whatsapp viber rcs mms text texts voice"
    " postal post letter print messenger telegram app ads ad advertising cookie cookies tracking track"
    " analytics photo photos image images video media parental parent guardian medical treatment surgery"
    " health research study recording biometric terms tos background location geolocation credit"
)
EMAIL_WORDS: Final = _words("email emails newsletter newsletters mailing mailings all")
# Words for a requirement of consent: `consent_not_required`.
NEEDS: Final = _words("required requires needed")
# Words next to consent that say how it was given, not whether it was given.
CONSENT_DETAILS: Final = _words(
    "date time timestamp ts ip source method form version wording url link id language locale page"
    " document expiry expires until valid required requires needed legal basis string location country"
)
# Words next to an opt-out for its details: any value shows that the opt-out happened.
OPT_OUT_DETAILS: Final = _words(
    "date time at on timestamp ts datetime since when reason reasons comment comments feedback cause why"
    " note notes campaign source by via ip method message detail details description mechanism"
)
COUNT_WORDS: Final = _words("count counts number num total times bounces complaints")
