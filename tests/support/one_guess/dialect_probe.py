"""A dialect that is one folder and its lines of the registry: served, documented, known to every command."""

import contextlib
import io

from diglot.api.openapi.document import build_document
from diglot.cli import commands
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.setting_sources import load_settings
from support.one_guess import probing
from support.one_guess.probing import CONTACT


async def probe(url: str) -> None:
    """Its client and those of the others see the same segments; our extensions are there."""
    async with probing.callers(url) as every:
        acme, misar = every["acme"], every["misar"]
        made = await acme.send("POST", "/contacts", CONTACT)
        conditions = {"match": "all", "rules": [{"field": "email", "operator": "contains", "value": "ada"}]}
        segment = (await acme.send("POST", "/segments", {"name": "s", "conditions": conditions}))["data"][
            "id"
        ]
        assert [one["name"] for one in (await misar.send("GET", "/segments"))["data"]["segments"]] == ["s"]
        shown = await acme.send("GET", f"/segments/{segment}/explain", contact=made["data"]["id"])
        assert shown["data"]["is_member"]
        await misar.send("PATCH", f"/contacts/{made['data']['id']}", {"email": "grace@example.com"})
        changes = await acme.send("GET", f"/segments/{segment}/changes")
        assert changes["data"][-1]["contact_id"] == made["data"]["id"]
        await misar.send("PATCH", f"/contacts/{made['data']['id']}", CONTACT)
        tried = await acme.send("POST", "/segments/dry-run", {"conditions": conditions})
        assert tried["data"]["total"] == 1
        assert "error" in (await acme.client.get("/acme/v1/nowhere")).json()
    assert "/segments" in build_document(get_dialect("acme"))["paths"]
    assert load_settings({}, {"DIGLOT_ACME_UPSTREAM": "http://a"}, dialects=["acme"]).upstreams == {
        "acme": "http://a"
    }


def administer() -> None:
    """Use it in the commands: options, keys, the document, the demo."""
    assert "--acme-upstream" in _output("serve", "--help")
    assert _output("keys", "create", "--dialect", "acme", "--workspace", "w").startswith("ac_live_")
    assert '"Diglot: Acme"' in _output("openapi", "acme")
    shown = _output("demo", "--no-serve")
    assert "Acme key: ac_live_" in shown
    assert f"{6 * len(DIALECTS)} segments" in shown


def _output(*arguments: str) -> str:
    with contextlib.redirect_stdout(
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    ) as out:
        commands.main(arguments, prog_name="diglot", standalone_mode=False)
    return out.buffer.getvalue().decode()


if __name__ == "__main__":
    probing.run(probe)
    administer()
