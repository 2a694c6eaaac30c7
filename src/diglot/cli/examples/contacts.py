"""The demo's contacts: the same 10,000 people every time, their dates counted back from now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from diglot.model.contacts import ContactChange

COUNT: Final = 10_000
_SEED: Final = 20_260_527
_DAY: Final = 86_400_000_000
_OLDEST: Final = 730 * _DAY
_YEAR: Final = 365

_FIRST: Final = (
    *("Ada", "Aiko", "Amara", "Anders", "Åsa", "Bruno", "Chloé", "Daniel", "Elif", "Emma", "Fatima", "Grace"),
    *("Hugo", "Ines", "Ivan", "Jonas", "José", "Kwame", "Lena", "Liam", "Lucía", "Maya", "Mei", "Nia"),
    *("Noah", "Olga", "Omar", "Priya", "Rafael", "Ravi", "Sara", "Sofia", "Søren", "Tomás", "Yusuf", "Zoë"),
)
_LAST: Final = (
    *("Abe", "Adeyemi", "Almeida", "Andersson", "Bauer", "Becker", "Cohen", "Costa", "Dubois", "Evans"),
    *("Fischer", "García", "Haddad", "Hansen", "Ivanova", "Jones", "Kaya", "Khan", "Kim", "Kowalski"),
    *("Lindqvist", "Müller", "Mwangi", "Nguyen", "Novak", "O'Brien", "Okafor", "Patel", "Rossi", "Sato"),
    *("Silva", "Singh", "Tanaka", "van Dijk", "Wang", "Weiß"),
)
_COMPANIES: Final = (
    *("Blue Harbour", "Cedar & Sons", "Dolomite Labs", "Fjord Freight", "Green Lantern Energy", "Kite Works"),
    *("Lumen Books", "Maple Health", "Northwind Tea", "Orchard Software", "Quarry Bank", "Tidal Studio"),
)
_TITLES: Final = (
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
_ASCII: Final = str.maketrans("åéíøëáüóñç ", "aeioeauonc-", "'")


def contacts(now: int) -> Iterator[ContactChange]:
    """Return the contacts, the oldest first; `now` is in microseconds."""
    chance = Random(_SEED)  # noqa: S311 - the same people every time
    for number in range(COUNT):
        # More have come of late.
        age = int(_OLDEST * (1 - number / COUNT) ** 1.4)
        yield _Person(chance, now, now - age).change(number)


@dataclass(frozen=True, slots=True)
class _Person:
    chance: Random
    now: int
    since: int

    def change(self, number: int) -> ContactChange:
        first, last = self.chance.choice(_FIRST), self.chance.choice(_LAST)
        company = self.chance.choice(_COMPANIES)
        values = {
            "email": f"{_plain(first)}.{_plain(last)}.{number}@{_plain(company).replace('&', 'and')}.example",
            "first_name": first,
            "last_name": last,
            "status": self.chance.choice(_STATUSES),
            "tags": self.chance.sample(_TAGS, self.chance.choice((0, 0, 1, 1, 2, 3))),
            "source": self.chance.choice(_SOURCES),
            "created_at": self.since,
        }
        work = {"company": company, "job_title": self.chance.choice(_TITLES)} if self.maybe(0.7) else {}
        phone = {"phone": f"+1 555 01{self.chance.randrange(100):02d}"} if self.maybe(0.4) else {}
        return ContactChange(values | work | phone | self.activity() | self.orders(), self.attributes())

    def maybe(self, part: float) -> bool:
        return self.chance.random() < part

    def moment(self, since: int) -> int:
        """Return an instant between then and now, more likely a late one."""
        return self.now - int((self.now - since) * self.chance.random() ** 2)

    def activity(self) -> dict[str, Any]:
        if self.maybe(0.1):
            return {}
        emailed = self.moment(self.since)
        found: dict[str, Any] = {"last_emailed_at": emailed, "engagement_score": 0.0}
        if self.maybe(0.8):
            opens = self.chance.randrange(1, 60)
            opened = self.moment(self.since)
            found |= {"last_opened_at": opened, "total_opens": opens}
            found["engagement_score"] = float(min(100, self.chance.randrange(5, 60) + opens))
            if self.maybe(0.5):
                clicks = self.chance.randrange(1, opens + 1)
                found |= {"last_clicked_at": self.moment(opened), "total_clicks": clicks}
        if self.maybe(0.5):
            found["lead_score"] = self.chance.randrange(201) / 2
        return found

    def orders(self) -> dict[str, Any]:
        if not self.maybe(0.3):
            return {}
        count = self.chance.randrange(1, 15)
        return {"total_orders": count, "total_spent": round(count * self.chance.uniform(9, 240), 2)}

    def attributes(self) -> dict[str, Any]:
        """Return custom attributes of every type that JSON has."""
        city, country = self.chance.choice(_CITIES)
        renewal = datetime.fromtimestamp(self.now // 1_000_000, UTC) + timedelta(self.chance.randrange(_YEAR))
        found: dict[str, Any] = {
            "plan": self.chance.choice(_PLANS),
            "seats": self.chance.choice((1, 1, 1, 2, 5, 10, 25, 100)),
            "trial": self.maybe(0.2),
            "languages": self.chance.sample(_LANGUAGES, self.chance.choice((1, 1, 2, 3))),
            "address": {"city": city, "country": country, "postcode": None},
        }
        if self.maybe(0.4):
            found |= {"annual": self.maybe(0.5), "renews_on": renewal.date().isoformat()}
        if self.maybe(0.3):
            found["satisfaction"] = self.chance.randrange(1, 21) / 2
        return found


def _plain(name: str) -> str:
    """Return a name as addresses write it."""
    return name.lower().replace("ß", "ss").translate(_ASCII)
