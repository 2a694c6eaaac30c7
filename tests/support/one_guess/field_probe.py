"""A field that is one row of the table: every dialect accepts, shows, filters on and documents it."""

from diglot.api.openapi.document import build_document
from diglot.dialects.registry import get_dialect
from support.one_guess import probing
from support.one_guess.probing import CONTACT

FAULT = "String must contain at most 30 character(s)"


async def probe(url: str) -> None:
    """Write through one dialect, read through the other."""
    async with probing.callers(url) as every:
        misar, topmail = every["misar"], every["topmail"]
        made = await misar.send("POST", "/contacts", CONTACT | {"nickname": "Countess", "phone": "1"})
        assert made["data"]["nickname"] == "Countess"
        shown = await topmail.send("GET", f"/contacts/{made['data']['id']}")
        assert shown["data"]["nickname"] == "Countess"
        rule = {"field": "nickName", "operator": "contains", "value": "COUNT"}
        criteria = {"operator": "AND", "rules": [rule]}
        await misar.send(
            "POST", "/segments", {"name": "s", "segment_type": "dynamic", "filter_criteria": criteria}
        )
        (segment,) = (await topmail.send("GET", "/segments"))["data"]
        members = await topmail.send("GET", f"/segments/{segment['id']}/contacts")
        assert [one["nickname"] for one in members["data"]] == ["Countess"]
        await topmail.send("PATCH", f"/contacts/{made['data']['id']}", {"nickName": None})
        members = await topmail.send("GET", f"/segments/{segment['id']}/contacts")
        assert members["data"] == []
        refused = await misar.client.post(
            "/mail/v1/contacts", json={"email": "b@example.com", "nickname": "x" * 31}, headers=misar.headers
        )
        assert FAULT in refused.text
    for name, struct in (("misar", "ContactCreate"), ("topmail", "ContactCreate")):
        schemas = build_document(get_dialect(name))["components"]["schemas"]
        for shape in ("Contact", struct):
            assert schemas[shape]["properties"]["nickname"]["description"] == "What friends say."
            assert "nickname" in schemas[shape]["x-diglot-extension"]
        assert schemas[struct]["properties"]["nickname"]["maxLength"] == 30


if __name__ == "__main__":
    probing.run(probe)
