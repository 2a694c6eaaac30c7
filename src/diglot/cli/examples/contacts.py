"""The demo's contacts: always the same 10,000 people, with dates relative to now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from diglot.model.contacts import ContactChange

CONTACT_COUNT: Final = 10_000
_SEED: Final = 20_260_527
_DAY: Final = 86_400_000_000
_MAX_AGE: Final = 730 * _DAY
_DAYS_IN_YEAR: Final = 365

_FIRST_NAMES: Final = (
    *("Ada", "Aiko", "Amara", "Anders", "Åsa", "Bruno", "Chloé", "Daniel", "Elif", "Emma", "Fatima", "Grace"),
    *("Hugo", "Ines", "Ivan", "Jonas", "José", "Kwame", "Lena", "Liam", "Lucía", "Maya", "Mei", "Nia"),
    *("Noah", "Olga", "Omar", "Priya", "Rafael", "Ravi", "Sara", "Sofia", "Søren", "Tomás", "Yusuf", "Zoë"),
)
_LAST_NAMES: Final = (
    *("Abe", "Adeyemi", "Almeida", "Andersson", "Bauer", "Becker", "Cohen", "Costa", "Dubois", "Evans"),
    *("Fischer", "García", "Haddad", "Hansen", "Ivanova", "Jones", "Kaya", "Khan", "Kim", "Kowalski"),
    *("Lindqvist", "Müller", "Mwangi", "Nguyen", "Novak", "O'Brien", "Okafor", "Patel", "Rossi", "Sato"),
    *("Silva", "Singh", "Tanaka", "van Dijk", "Wang", "Weiß"),
)
_COMPANIES: Final = (
    *("Blue Harbour", "Cedar & Sons", "Dolomite Labs", "Fjord Freight", "Green Lantern Energy", "Kite Works"),
    *("Lumen Books", "Maple Health", "Northwind Tea", "Orchard Software", "Quarry Bank", "Tidal Studio"),
)
_JOB_TITLES: Final = (
    *("Account Manager", "Analyst", "Chief Executive", "Chief Technology Officer", "Developer", "Editor"),
    *("Head of Marketing", "Head of Sales", "Managing Director", "Office Manager", "Teacher", "Art Director"),
)
_SOURCES: Final = ("website", "import", "webinar", "referral", "shop", "event")
_TAGS: Final = ("early-adopter", "europe", "newsletter", "partner", "press", "vip", "webinar")
_STATUSES: Final = ("subscribed",) * 17 + ("unsubscribed",) * 2 + ("bounced",) + ("complained",)
_PLANS: Final = ("free", "free", "free", "starter", "starter", "pro", "team")
_LANGUAGES: Final = ("de", "en", "es", "fr", "ja", "pt")
_CITIES: Final = (
    *(("Accra", "GH"), ("Berlin", "DE"), ("Kyoto", "JP"), ("Lisbon", "PT"), ("Lyon", "FR"), ("Malmö", "SE")),
    *(("Mumbai", "IN"), ("Nairobi", "KE"), ("Porto Alegre", "BR"), ("Toronto", "CA"), ("Zürich", "CH")),
)
_ASCII_TABLE: Final = str.maketrans("åéíøëáüóñç ", "aeioeauonc-", "'")


def generate_contacts(now: int) -> Iterator[ContactChange]:
    """Return the contacts, the oldest first; `now` is in microseconds."""
    chance = Random(_SEED)  # noqa: S311 - the same people every time
    for number in range(CONTACT_COUNT):
        # Recent dates are more frequent.
        age = int(_MAX_AGE * (1 - number / CONTACT_COUNT) ** 1.4)
        yield _Person(chance, now, now - age).build_change(number)


@dataclass(frozen=True, slots=True)
class _Person:
    random: Random
    now: int
    created_at: int

    def build_change(self, number: int) -> ContactChange:
        first, last = self.random.choice(_FIRST_NAMES), self.random.choice(_LAST_NAMES)
        company = self.random.choice(_COMPANIES)
        host = _to_ascii(company).replace("&", "and")
        values = {
            "email": f"{_to_ascii(first)}.{_to_ascii(last)}.{number}@{host}.example",
            "first_name": first,
            "last_name": last,
            "status": self.random.choice(_STATUSES),
            "tags": self.random.sample(_TAGS, self.random.choice((0, 0, 1, 1, 2, 3))),
            "source": self.random.choice(_SOURCES),
            "created_at": self.created_at,
        }
        work = (
            {"company": company, "job_title": self.random.choice(_JOB_TITLES)}
            if self.with_probability(0.7)
            else {}
        )
        phone = {"phone": f"+1 555 01{self.random.randrange(100):02d}"} if self.with_probability(0.4) else {}
        return ContactChange(
            values | work | phone | self.generate_activity() | self.generate_orders(),
            self.generate_attributes(),
        )

    def with_probability(self, part: float) -> bool:
        return self.random.random() < part

    def random_instant(self, since: int) -> int:
        """Return a random instant between then and now; late ones are more likely."""
        return self.now - int((self.now - since) * self.random.random() ** 2)

    def generate_activity(self) -> dict[str, Any]:
        if self.with_probability(0.1):
            return {}
        emailed = self.random_instant(self.created_at)
        found: dict[str, Any] = {"last_emailed_at": emailed, "engagement_score": 0.0}
        if self.with_probability(0.8):
            opens = self.random.randrange(1, 60)
            opened = self.random_instant(self.created_at)
            found |= {"last_opened_at": opened, "total_opens": opens}
            found["engagement_score"] = float(min(100, self.random.randrange(5, 60) + opens))
            if self.with_probability(0.5):
                clicks = self.random.randrange(1, opens + 1)
                found |= {"last_clicked_at": self.random_instant(opened), "total_clicks": clicks}
        if self.with_probability(0.5):
            found["lead_score"] = self.random.randrange(201) / 2
        return found

    def generate_orders(self) -> dict[str, Any]:
        if not self.with_probability(0.3):
            return {}
        count = self.random.randrange(1, 15)
        return {"total_orders": count, "total_spent": round(count * self.random.uniform(9, 240), 2)}

    def generate_attributes(self) -> dict[str, Any]:
        """Return custom attributes with values of every JSON type."""
        city, country = self.random.choice(_CITIES)
        renewal = datetime.fromtimestamp(self.now // 1_000_000, UTC) + timedelta(
            self.random.randrange(_DAYS_IN_YEAR)
        )
        found: dict[str, Any] = {
            "plan": self.random.choice(_PLANS),
            "seats": self.random.choice((1, 1, 1, 2, 5, 10, 25, 100)),
            "trial": self.with_probability(0.2),
            "languages": self.random.sample(_LANGUAGES, self.random.choice((1, 1, 2, 3))),
            "address": {"city": city, "country": country, "postcode": None},
        }
        if self.with_probability(0.4):
            found |= {"annual": self.with_probability(0.5), "renews_on": renewal.date().isoformat()}
        if self.with_probability(0.3):
            found["satisfaction"] = self.random.randrange(1, 21) / 2
        return found


def _to_ascii(name: str) -> str:
    """Return a name in the form for an email address."""
    return name.lower().replace("ß", "ss").translate(_ASCII_TABLE)
