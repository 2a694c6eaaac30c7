"""An operator that both compilers and the index know: a scan and a write evaluate it in every dialect."""

from diglot.api.openapi.document import build_document
from diglot.dialects.registry import DIALECTS
from support.one_guess import probing
from support.one_guess.probing import CONTACT

RULE = {"field": "company", "operator": "is_exactly", "value": "ACME"}


async def probe(url: str) -> None:
    """Create a segment by a scan of stored contacts; evaluate contacts that are written afterwards."""
    async with probing.callers(url) as every:
        misar, topmail = every["misar"], every["topmail"]
        await misar.send("POST", "/contacts", CONTACT | {"company": "ACME"})
        await misar.send("POST", "/contacts", {"email": "b@example.com", "company": "acme"})
        criteria = {"operator": "AND", "rules": [RULE]}
        await misar.send(
            "POST", "/segments", {"name": "s", "segment_type": "dynamic", "filter_criteria": criteria}
        )
        (segment,) = (await topmail.send("GET", "/segments"))["data"]
        assert segment["conditions"]["rules"] == [RULE]
        members = f"/segments/{segment['id']}/contacts"
        assert [one["email"] for one in (await topmail.send("GET", members))["data"]] == ["ada@example.com"]
        await topmail.send("POST", "/contacts", {"email": "c@example.com", "company": "ACME"})
        await topmail.send("POST", "/contacts", {"email": "d@example.com", "company": "Acme"})
        found = [one["email"] for one in (await topmail.send("GET", members))["data"]]
        assert found == ["c@example.com", "ada@example.com"]
        conditions = {"match": "all", "rules": [RULE]}
        tried = await topmail.send("POST", "/segments/dry-run", {"conditions": conditions})
        assert tried["data"]["total"] == 2
    for dialect in DIALECTS:
        operators = build_document(dialect)["components"]["schemas"]["RuleOperator"]
        assert "is_exactly" in operators["enum"]
        assert "is_exactly" in operators["x-diglot-extension"]


if __name__ == "__main__":
    probing.run(probe)
