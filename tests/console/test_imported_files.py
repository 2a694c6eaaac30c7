"""The pages of imports and exports: a file is sent, reviewed, tried and imported, its rejects are fetched."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import httpx
import pytest
import pytest_asyncio

from diglot.api.imports.contact_file import open_contact_file
from diglot.background.import_worker import ImportWorker
from diglot.background.retention import Retention
from diglot.service.imports import turns as import_turns
from diglot.service.imports.turns import ImportTurns
from diglot.storage import workspaces
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.schema import import_chunks
from support.marked_rows import load_rows
from support.servers.in_process import Server, bearer
from support.servers.page_form import read_page_form
from support.servers.person import FILE_FORM, Person, encode_file_form, sign_in

NOW: Final = 1_772_366_400_000_000
DAY: Final = 86_400_000_000
SERVING: Final = {"now": NOW, "max_import_mib": 1}
PATH: Final = "/console/imports"
SCRIPT: Final = "<script>alert(1)</script>"
_SEEN: Final = re.compile(r'name="seen_at" value="(\d+)"')
BODY: Final = (
    b"Email Address,First Name,plan,Unsubscribed\n"
    b"ada@example.com,Ada,pro,no\nbo@example.com,Bo,free,yes\nnobody,,,\n"
)


@dataclass
class Importer:
    """A person at the imports, and the process that works on them."""

    person: Person
    worker: ImportWorker

    async def send(self, content: bytes = BODY, name: str = "people.csv", piece: int = 0) -> str:
        """Send a file; return the path of its page."""
        answer = await self.person.send_file(PATH, name, content, piece=piece)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def read(self, path: str) -> str:
        """Return a page as people read it."""
        answer = await self.person.open(path)
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)

    async def work(self) -> None:
        """Let the worker do everything that is due."""
        while await self.worker._run_round():
            pass

    async def try_file(self, path: str, **choices: str) -> str:
        """Try a file with some choices; return the page with what was found."""
        answer = await self.person.send(f"{path}/columns", choices | {"then": "try"})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        await self.work()
        return await self.read(path)

    async def import_file(self, path: str, **form: str) -> str:
        """Import a file that was tried; return the page with what became of it."""
        answer = await self.begin(path, **form)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        await self.work()
        return await self.read(path)

    async def begin(self, path: str, **form: str) -> httpx.Response:
        """Press the button of the page, if it has one."""
        seen = _SEEN.search((await self.person.open(path)).text)
        return await self.person.send(f"{path}/begin", ({"seen_at": seen[1]} if seen else {}) | form)

    async def contacts(self) -> list[dict[str, object]]:
        """Return all contacts."""
        key = await self.person.server.key("topmail", "one")
        answer = await self.person.server.client.get("/api/v1/contacts", headers=bearer(key))
        found: list[dict[str, object]] = answer.json()["data"]
        return found


@pytest_asyncio.fixture(loop_scope="module")
async def importer(server: Server) -> Importer:
    """Return a person with a worker."""
    engine = await server.beside.engine()
    turns = ImportTurns(engine, lambda: server.now, open_contact_file, 0)
    worker = ImportWorker(Sweeper(engine, lambda: server.now), turns.run_turn, 0.01)
    return Importer(await sign_in(server), worker)


async def test_a_file_from_its_upload_to_its_rejected_rows(importer: Importer) -> None:
    """Nothing is written before the person says so; then the rows are there, and the others in a file."""
    assert "No imports yet" in await importer.read(PATH)
    path = await importer.send(piece=50)
    page = await importer.read(path)
    for words in (
        "people.csv",
        "ada@example.com",
        "Who opted out",
        "yes or a date means unsubscribed",
        "becomes",
    ):
        assert words in page, words
    assert "nothing imported yet" in await importer.read(PATH)
    tried = await importer.try_file(path, **{"column.2": "custom", "key.2": "tariff", "tags": "june"})
    for words in (
        "would be new",
        "Import 2 contacts now",
        "1 row would be rejected",
        "Invalid email",
        "nobody",
    ):
        assert words in tried, words
    assert "the custom field “tariff”" in tried
    assert await importer.contacts() == []
    waiting = await importer.begin(path)
    assert waiting.status_code == 303
    assert "begins in a few seconds" in await importer.read(path)
    assert "begins in a few seconds" in await importer.read(f"{path}/progress")
    assert 'hx-trigger="every 2s"' in await importer.read(PATH)
    await importer.work()
    over = await importer.person.open(f"{path}/progress", {"HX-Request": "true"})
    assert over.headers["hx-redirect"] == path
    done = await importer.read(path)
    assert ("done" in done, "1 row rejected" in done, "is refused" in done) == (True, True, False)
    statuses = {one["email"]: one["status"] for one in await importer.contacts()}
    assert statuses == {"ada@example.com": "subscribed", "bo@example.com": "unsubscribed"}
    assert (await importer.contacts())[0]["tags"] == ["june"]
    rejected = await importer.person.open(f"{path}/rejected.csv")
    assert rejected.headers["content-disposition"] == 'attachment; filename="rejected.csv"'
    assert rejected.text.splitlines()[1] == "nobody,,,,4,Email Address: Invalid email"
    assert "hx-trigger" not in (await importer.read(f"{PATH}/rows"))
    assert (await load_rows(importer.person.server.url, [import_chunks]))["import_chunks"] == []


async def test_choices_are_kept_and_said(importer: Importer) -> None:
    """Each choice is stored when it is made, so another browser shows the same, and says what it does."""
    path = await importer.send()
    part = await importer.person.send(
        f"{path}/columns",
        {
            "column.1": "none",
            "column.2": "field.company",
            "existing": "keep",
            "status": "bounced",
            "tags": 'a,"b, c"',
        },
        {"HX-Request": "true"},
    )
    said = html.unescape(part.text)
    for words in (
        "Left out.",
        "Sets the company.",
        "left as they are",
        "lowered to bounced",
        "the tags “a”, “b, c”",
        'id="says-3" hx-swap-oob="true"',
    ):
        assert words in said, words
    other = await sign_in(importer.person.server)
    page = html.unescape((await other.open(path)).text)
    for words in ('value="none" selected', 'value="field.company" selected', 'value="a, "b, c""'):
        assert words in page, words


async def test_a_changed_choice_needs_another_try(importer: Importer) -> None:
    """What a dry run found is forgotten with the first change, and stays without one."""
    path = await importer.send()
    assert "would be new" in await importer.try_file(path)
    same = await importer.person.send(f"{path}/columns", {}, {"HX-Request": "true"})
    assert ("would be new" in same.text, "Invalid email" in same.text) == (True, True)
    changed = await importer.person.send(f"{path}/columns", {"column.1": "none"}, {"HX-Request": "true"})
    assert ("would be new" in changed.text, "Try the file again" in changed.text) == (False, True)
    more = await importer.person.send(f"{path}/columns", {}, {"HX-Request": "true"})
    assert 'id="result"' not in more.text
    await importer.import_file(path)
    assert await importer.contacts() == []
    again = await importer.person.send(f"{path}/columns", {"then": "look"}, {"HX-Request": "true"})
    assert again.headers["hx-redirect"] == path


async def test_opt_outs_are_not_passed_over_by_accident(importer: Importer) -> None:
    """A column that speaks of opting out is used otherwise only if the person confirms it."""
    path = await importer.send()
    tried = await importer.try_file(path, **{"column.3": "none"})
    assert "speaks of opting out, and you chose" in tried
    assert 'name="passes_over"' in tried
    refused = await importer.begin(path)
    assert (refused.status_code, "Confirm that people" in refused.text) == (400, True)
    await importer.work()
    assert await importer.contacts() == []
    await importer.import_file(path, passes_over="yes")
    assert [one["status"] for one in await importer.contacts()] == ["subscribed"] * 2


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        (b"email,status\nada@example.com,unsubscribed\n", {"column.1": "none"}),
        (b"email,status\nada@example.com,unsubscribed\n", {"column.1": "custom", "key.1": "standing"}),
        (b"CONTACT ID,EMAIL,VORNAME,EMAIL_MARKETING\n1,ada@example.com,Ada,blocklisted\n", {"preset": ""}),
    ],
)
async def test_a_status_is_not_passed_over_by_accident(
    importer: Importer, body: bytes, choices: dict[str, str]
) -> None:
    """Nor is a column of the status itself, or one whose words only the preset of its tool knows."""
    path = await importer.send(body)
    assert 'name="passes_over"' in await importer.try_file(path, **choices)
    assert (await importer.begin(path)).status_code == 400
    await importer.work()
    assert await importer.contacts() == []


async def test_a_status_is_only_lowered_unless_the_person_says_otherwise(importer: Importer) -> None:
    """A file that calls somebody subscribed does not subscribe again who unsubscribed here."""
    key = await importer.person.server.key("topmail", "one")
    ada = {"email": "ada@example.com", "status": "unsubscribed"}
    await importer.person.server.client.post("/api/v1/contacts", json=ada, headers=bearer(key))
    body = (
        b"email,status,subscribed\nada@example.com,subscribed,\nbo@example.com,bounced,\ncy@example.com,,no\n"
    )
    path = await importer.send(body)
    assert "never subscribes anybody again" in await importer.try_file(path)
    await importer.import_file(path)
    statuses = {one["email"]: one["status"] for one in await importer.contacts()}
    assert statuses == {
        "ada@example.com": "unsubscribed",
        "bo@example.com": "bounced",
        "cy@example.com": "unsubscribed",
    }
    again = await importer.send(body)
    assert "also back to subscribed" in await importer.try_file(again, raises="yes")
    await importer.import_file(again)
    assert {one["status"] for one in await importer.contacts() if one["email"] == "ada@example.com"} == {
        "subscribed"
    }


async def test_what_each_kind_of_column_does(importer: Importer) -> None:
    """The page says it of fields, tags, custom fields as JSON, words of a tool and columns without a name."""
    body = b"email,tags,custom_fields,lists,,subscription_status,attributes.opt_out\n"
    page = await importer.read(await importer.send(body + b'a@example.com,,"{""a"": 1}",,,confirmed,no\n'))
    for words in (
        "Sets the tags, in place",
        "Each cell is a JSON object",
        "Nothing: left out",
        "a row with a cell in it is rejected",
        "Kept as the custom field",
        "(no name)",
    ):
        assert words in page, words


async def test_files_of_two_tools(importer: Importer) -> None:
    """A column that may be about something else stays a custom field; a tool's other files are named."""
    hubspot = b"Record ID,Email,Contact owner,Lead Status\n1,a@example.com,Sam,OPEN\n"
    page = await importer.read(await importer.send(hubspot))
    assert "Custom field “Lead Status”" in page
    assert "A word in it such as “unsubscribed” lowers the status" in page
    mailchimp = b"Email Address,MEMBER_RATING,LEID\na@example.com,4,1\n"
    assert "cleaned contacts as files of their own" in await importer.read(await importer.send(mailchimp))


async def test_choices_for_many_columns(importer: Importer) -> None:
    """Custom fields that nobody chose are left out at once, opt-outs stay; the proposal comes back."""
    path = await importer.send(b"email,a,b,opt_out\nada@example.com,1,2,no\n")
    trimmed = await importer.person.send(f"{path}/columns", {"column.1": "field.company", "then": "trim"})
    assert trimmed.headers["location"] == path
    page = await importer.read(path)
    assert (page.count("Left out."), "Sets the company" in page, "Who opted out" in page) == (1, True, True)
    await importer.person.send(f"{path}/columns", {"column.1": "none", "then": "reset"})
    assert "Left out." not in await importer.read(path)


async def test_many_rejected_rows(importer: Importer) -> None:
    """Some are shown, with how many there are of each reason, and the file has all."""
    path = await importer.send(b"email,score,day\n" + b"x,1,2026-05-03\n" * 11)
    page = await importer.try_file(path)
    for words in (
        "nothing to import",
        "The first 10 are shown",
        "11 rows are refused",
        "as numbers",
        "as dates",
    ):
        assert words in page, words
    assert len((await importer.person.open(f"{path}/rejected.csv")).text.splitlines()) == 12


async def test_a_dry_run_in_progress(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page says how far it is, and the list says that it is being tried."""
    path = await importer.send()
    await importer.person.send(f"{path}/columns", {"then": "try"})
    monkeypatch.setattr(import_turns, "TURN_SECONDS", 0.0)
    await importer.worker._run_round()
    assert "is being tried" in await importer.read(PATH)
    assert "of 3 rows tried" in await importer.read(path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"name,plan\nAda,pro\n", "No column has the email addresses"),
        (b"", "The file is empty"),
        (b"email,Unsubscribed\na@example.com,perhaps\n", "'perhaps' is not understood"),
        (b'email\na@example.com\n"b@example.com\n', "not valid CSV"),
        (b"email,x,x\na@example.com,1,2\n", "“x”: Says the same as x"),
    ],
)
async def test_a_file_that_cannot_be_imported(importer: Importer, body: bytes, words: str) -> None:
    """The page says why, the person may choose otherwise, and nothing is imported."""
    path = await importer.send(body)
    assert words in await importer.try_file(path)
    await importer.import_file(path)
    assert await importer.contacts() == []
    discarded = await importer.person.send(f"{path}/cancel", {})
    assert discarded.headers["location"] == path
    assert "The file was discarded" in await importer.read(path)


async def test_choices_outlive_letters_that_cannot_be_read(importer: Importer) -> None:
    """The page has no columns then; what was chosen for them and for all contacts is there again later."""
    path = await importer.send("email,name,ville\nada@example.com,Zoë,Orléans\n".encode("cp1252"))
    chosen = {"status": "unsubscribed", "tags": "june", "existing": "keep", "column.1": "none"}
    await importer.person.send(f"{path}/columns", chosen | {"encoding": "windows-1252"})
    await importer.person.send(f"{path}/columns", chosen | {"encoding": "", "then": "look"})
    page = await importer.read(path)
    assert ("The file is not UTF-8" in page, "The contacts" in page) == (True, False)
    form = dict(read_page_form((await importer.person.open(path)).text, "review").pairs)
    await importer.person.send(f"{path}/columns", form | {"encoding": "", "then": "look"})
    await importer.person.send(f"{path}/columns", form | {"encoding": "windows-1252", "then": "look"})
    again = dict(read_page_form((await importer.person.open(path)).text, "review").pairs)
    assert again.items() >= chosen.items()


async def test_the_tool_and_the_letters_of_a_file(importer: Importer) -> None:
    """They are proposed by the beginning of the file, said, and changed by the person."""
    body = "CONTACT ID,EMAIL,VORNAME,DOUBLE_OPT-IN,EMAIL_MARKETING\n1,ada@example.com,Zoë,yes,blocklisted\n"
    path = await importer.send(body.encode("cp1252"))
    page = await importer.read(path)
    for words in (
        "Brevo (its columns look like it)",
        "Zoë",
        "The file is not UTF-8",
        "“blocklisted” or “never subscribed” means unsubscribed",
    ):
        assert words in page, words
    looked = await importer.person.send(
        f"{path}/columns", {"encoding": "windows-1251", "preset": "unknown", "then": "look"}
    )
    assert looked.headers["location"] == path
    page = await importer.read(path)
    assert ("Zoл" in page, 'value="brevo" selected' in page) == (True, False)
    wrong = await importer.person.send(f"{path}/columns", {"then": "try"})
    assert wrong.status_code == 303
    assert "The file is not UTF-8 (byte" in await importer.read(path)


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "part"])
async def test_what_is_no_file_of_contacts(importer: Importer, headers: dict[str, str]) -> None:
    """Nothing of it is stored, and the page says what to do."""
    for name, content, status, words in (
        ("", b"", 400, "Choose a file first"),
        ("people.xlsx", b"PK\x03\x04" + b"x" * 200_000, 400, "not a text file"),
        ("people.csv", b"x" * 1_200_000, 413, "larger than 1 MiB"),
    ):
        answer = await importer.person.send_file(PATH, name, content, headers=headers)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert ("<h1>" in answer.text) is (not headers)
    pieces = await importer.person.send_file(
        PATH, "people.csv", b"x" * 1_060_000, piece=100_000, headers=headers
    )
    assert pieces.status_code == 413
    without = await importer.person.send(PATH, {}, headers)
    assert without.status_code == 415
    assert "No imports yet" in await importer.read(PATH)


async def test_tags_that_are_not_well_written(importer: Importer) -> None:
    """The page shows them again with what is wrong, beside the other choices that are stored."""
    path = await importer.send()
    answer = await importer.person.send(f"{path}/columns", {"tags": '"open', "then": "try"})
    assert (answer.status_code, "Tags: The quotes of a tag" in answer.text) == (400, True)
    assert 'value="&#34;open"' in answer.text
    long = await importer.person.send(f"{path}/columns", {"tags": "x" * 101}, {"HX-Request": "true"})
    assert (long.status_code, "<h1>" in long.text) == (400, False)


async def test_another_site_cannot_send_a_file(importer: Importer) -> None:
    """The token precedes the file; without it, or with another, nothing is stored."""
    person = importer.person
    for token in ("", "0" * 64):
        answer = await replace(person, token=token).send_file(PATH, "people.csv", BODY)
        assert (answer.status_code, "from another session" in answer.text) == (403, True)
    foreign = await person.send_file(PATH, "people.csv", BODY, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    late = encode_file_form({}, "people.csv", BODY).replace(
        b"--boundary-of-a-browser--",
        b'--boundary-of-a-browser\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'
        + person.token.encode()
        + b"\r\n--boundary-of-a-browser--",
    )
    after = await person._send("POST", PATH, late, {"Content-Type": FILE_FORM})
    assert after.status_code == 403
    bare = await person._send("POST", PATH, BODY, {"Content-Type": "text/csv"})
    assert bare.status_code == 403
    assert "No imports yet" in await importer.read(PATH)
    other = replace(person, token="")
    by_header = await other.send_file(PATH, "people.csv", BODY, headers={"X-CSRF-Token": person.token})
    assert by_header.status_code == 303


async def test_a_workspace_is_closed_to_others(importer: Importer) -> None:
    """An import of another workspace does not exist, on no page and for no action."""
    path = await importer.send()
    other = await sign_in(importer.person.server, "two")
    assert "people.csv" not in (await other.open(PATH)).text
    for part in ("", "/progress", "/rejected.csv"):
        assert (await other.open(f"{path}{part}")).status_code == 404
    for part in ("/columns", "/begin", "/cancel"):
        answer = await other.send(f"{path}{part}", {})
        assert (answer.status_code, "There is no such import" in answer.text) == (404, True)


@pytest.mark.parametrize("text", [SCRIPT, "\u202eevil", "x" * 5_000, '"><img src=x>', "=cmd|' /C calc'!A1"])
async def test_hostile_files_harm_nothing(importer: Importer, text: str) -> None:
    """File names, columns and cells are shown as text, isolated in direction, and shortened."""
    cell = '"' + text.replace('"', '""') + '"'
    body = f'email,"{text[:150].replace(chr(34), chr(34) * 2)}"\na@example.com,{cell}\n{cell},{cell}\n'
    path = await importer.send(body.encode(), name=f"{text[:300]}.csv")
    pages = [await importer.person.open(path), await importer.person.open(PATH)]
    await importer.try_file(path, **{"column.1": "none"})
    pages.append(await importer.person.open(path))
    await importer.import_file(path)
    pages.append(await importer.person.open(path))
    for page in pages:
        assert page.status_code == 200
        assert ("<script>alert" in page.text, "<img" in page.text, "\u202eevil.csv" in page.text) == (
            False,
            False,
            False,
        )
        assert "x" * 1_000 not in page.text
    assert [one["email"] for one in await importer.contacts()] == ["a@example.com"]


async def test_an_import_is_stopped_and_begun_once(importer: Importer) -> None:
    """What is asked of an import that is past it shows the page as it is now."""
    path = await importer.send()
    await importer.try_file(path)
    unseen = await importer.person.send(f"{path}/begin", {"seen_at": "1"})
    assert (unseen.status_code, "waits for you" in await importer.read(path)) == (303, True)
    await importer.begin(path)
    for part in ("/columns", "/begin"):
        answer = await importer.person.send(f"{path}{part}", {})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
    await importer.person.send(f"{path}/cancel", {})
    assert "It was stopped" in await importer.read(path)
    await importer.work()
    assert await importer.contacts() == []
    finished = await importer.send()
    await importer.try_file(finished)
    await importer.import_file(finished)
    assert (await importer.person.send(f"{finished}/cancel", {})).headers["location"] == finished
    assert "See the contacts" in await importer.read(finished)


async def test_a_file_is_discarded_while_it_is_sent(importer: Importer) -> None:
    """It stays so, and nothing of it is left."""
    person = importer.person
    key = await person.server.key("topmail", "one")
    before = await load_rows(person.server.url, [import_chunks])

    async def cancel_between(pieces: list[bytes]) -> AsyncIterator[bytes]:
        yield pieces[0]
        yield pieces[1]
        page = await importer.read(PATH)
        assert "being sent" in page
        path = page.split('<th scope="row"><a href="')[1].partition('"')[0]
        await person.send(f"{path}/cancel", {})
        yield pieces[2]

    headers = {**bearer(key), "Content-Type": "text/csv"}
    pieces = [b"email\n", b"a@example.com\n", b"b@example.com\n"]
    sent = await person.server.client.post("/api/v1/imports", headers=headers, content=cancel_between(pieces))
    assert (sent.status_code, sent.json()["data"]["status"]) == (202, "cancelled")
    form = encode_file_form({"csrf_token": person.token}, "people.csv", BODY)
    body = cancel_between([form[:-90], form[-90:-60], form[-60:]])
    answer = await person._send("POST", PATH, body, {"Content-Type": FILE_FORM})
    assert "The file was discarded" in await importer.read(answer.headers["location"])
    await importer.work()
    assert await importer.contacts() == []
    assert await load_rows(person.server.url, [import_chunks]) == before


async def test_imports_of_programs_are_shown(importer: Importer) -> None:
    """What came by the API is in the list, with its state, and the list has pages."""
    key = await importer.person.server.key("topmail", "one")
    headers = {**bearer(key), "Content-Type": "text/csv"}
    for _ in range(21):
        await importer.person.server.client.post("/api/v1/imports", headers=headers, content=b"x\n1\n")
    await importer.work()
    assert "Page 1 of 2" in await importer.read(PATH)
    page = await importer.read(f"{PATH}?page=2")
    assert ("Newer" in page, "refused" in page, "A file without a name" in page) == (True, True, True)
    path = page.split('<th scope="row"><a href="')[1].partition('"')[0]
    assert "The file was refused" in await importer.read(path)


async def test_a_file_that_nobody_decides_about(importer: Importer) -> None:
    """It is deleted after a week."""
    path = await importer.send()
    server = importer.person.server
    engine = await server.beside.engine()
    retention = Retention(engine, 30, lambda: server.now)
    workspace = await engine.read(partial(workspaces.find_by_name, name=f"{server.apart}one"))
    assert workspace is not None
    for days, status in ((6, 200), (2, 404)):
        server.now += days * DAY
        while await retention.expire_batch(workspace.number):
            pass
        person = await sign_in(server)
        assert (await person.open(path)).status_code == status


async def test_exports(importer: Importer) -> None:
    """All contacts, or those on a list, for people, for another import and for programs."""
    path = await importer.send(b"email,first_name\nada@example.com,=1+1\n")
    await importer.try_file(path)
    await importer.import_file(path)
    server, key = importer.person.server, await importer.person.server.key("topmail", "one")
    made = await server.client.post("/api/v1/lists", json={"name": SCRIPT}, headers=bearer(key))
    list_id = made.json()["data"]["id"]
    page = await importer.person.open("/console/export")
    assert (SCRIPT in page.text, list_id in page.text) == (False, True)
    for query, name, words in (
        ("", "contacts.csv", "'=1+1"),
        ("?for=import", "contacts.csv", ",=1+1"),
        ("?for=programs", "contacts.ndjson", '"first_name":"=1+1"'),
    ):
        file = await importer.person.open(f"/console/export/contacts{query}")
        assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert words in file.text
    of_list = await importer.person.open(f"/console/export/contacts?list={list_id}")
    assert len(of_list.text.splitlines()) == 1
    other = await sign_in(server, "two")
    assert (await other.open(f"/console/export/contacts?list={list_id}")).status_code == 404
