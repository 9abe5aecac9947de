"""The budget: no result is longer than asked for, and what was cut can be fetched."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.tools.support import (
    Connect,
    FaultyTransport,
    Inbox,
    Json,
    Tools,
    fenced,
    ids,
    make_message,
)

from multimail import AsyncMultiMail, MultiMail
from multimail.tools import Toolkit, ToolResult

BUDGETS = pytest.mark.parametrize("max_chars", [1000, 8000])


def prose(characters: int) -> str:
    """Return text of many lines, no two of which are equal."""
    lines = (f"{number:06} the quick brown fox jumps over the lazy dog" for number in range(10**5))
    return "\n".join(_taken(lines, characters))


def _taken(lines: Any, characters: int) -> list[str]:
    taken, size = [], 0
    for line in lines:
        taken.append(line)
        size += len(line) + 1
        if size >= characters:
            break
    return taken


@dataclass(frozen=True)
class Heap:
    """A mailbox with everything that is too much."""

    box: Inbox
    newsletter: Json
    small_newsletter: Json
    one_line: Json
    crowd: Json
    clips: Json
    tagged: Json
    thread_id: str
    thread_ids: list[str]
    file: Json
    contacts: str


@pytest.fixture(scope="module")
def heap(create_mailbox: Callable[..., Inbox]) -> Heap:
    box = create_mailbox()
    people = ", ".join(f"person-{number}@a-rather-long-domain.example.org" for number in range(900))
    newsletter = box.receive(prose(300_000), subject="News")
    small = box.receive(prose(20_000), subject="Small news")
    # A body line of more than 998 characters does not go over SMTP as it is.
    one_line = box.receive("x" * 30_000, subject="One line")
    crowd = box.receive("Hello, all.", subject="Crowd", Cc=people)
    files: dict[str, str | bytes] = {f"{'f' * 100}-{n}.txt": "x" for n in range(300)}
    clips = box.receive("See the files.", subject="Clips", files=files)
    tagged = box.receive("Tagged.", subject="s" * 900)
    file = box.receive_proven("See the file.", files={"long.txt": prose(20_000)})
    first = "<root@example.org>"
    box.deliver(make_message(prose(5000), to=box.address, Message_ID=first))
    thread_id = box.mails("inbound")[0]["thread_id"]
    box.deliver(
        *(
            make_message(
                f"Message {number}.\n{prose(5000)}\n\n> quoted",
                to=box.address,
                In_Reply_To=first,
                subject="Re: " + "r" * 900,
            )
            for number in range(1, 60)
        )
    )
    thread = box.mails("inbound")
    with box.server.http(box.agent_key) as agent, box.server.http("agent") as wide:
        many = {f"{number:02}-{'n' * 60}": "v" * 256 for number in range(50)}
        agent.put(
            f"/v1/mailboxes/{box.id}/emails/{tagged['id']}/tags", json={"tags": many}
        ).raise_for_status()
        word = box.id[-6:].lower()
        for number in range(200):
            who = {"email": f"{word}-{number:03}@example.org", "name": "N" * 190}
            wide.post("/v1/contacts", json=who).raise_for_status()
        for number in range(30):
            agent.post(
                f"/v1/mailboxes/{box.id}/send",
                json={
                    "to": [f"p{n}@example.org" for n in range(50)],
                    "subject": "S" * 900,
                    "markdown": f"{number}",
                },
            ).raise_for_status()
    rows = [mail["id"] for mail in thread if mail["thread_id"] == thread_id][::-1]
    return Heap(box, newsletter, small, one_line, crowd, clips, tagged, thread_id, rows, file, word)


@pytest.fixture
def tools(heap: Heap, connect: Connect, max_chars: int) -> Tools:
    return connect(heap.box, max_chars=max_chars)


def kept(result: ToolResult, max_chars: int) -> ToolResult:
    """The result, which must be whole and within its budget."""
    assert result.ok, result.text
    assert len(result.text) <= max_chars
    fenced(result.text)
    return result


async def whole_body(tools: Tools, max_chars: int, **arguments: Any) -> tuple[str, int]:
    """Read a message to its end; return its body and how many calls it took."""
    pieces, offset, calls = [], 0, 0
    while True:
        result = kept(await tools.call("read_email", {**arguments, "offset": offset}), max_chars)
        pieces.append(result.data["body"])
        calls += 1
        if result.data["next_offset"] is None:
            return "".join(pieces), calls
        assert f"Go on with offset={result.data['next_offset']}." in result.text
        assert result.data["next_offset"] > offset
        offset = result.data["next_offset"]


@pytest.mark.parametrize(
    ("name", "max_chars"), [("newsletter", 8000), ("small_newsletter", 1000), ("one_line", 1000)]
)
async def test_a_long_mail_is_read_piece_by_piece(
    heap: Heap, tools: Tools, name: str, max_chars: int
) -> None:
    mail = getattr(heap, name)
    body, calls = await whole_body(tools, max_chars, email_id=mail["id"])
    assert body == heap.box.mail(mail["id"])["markdown"].rstrip()
    assert calls < 2 + 3 * len(body) / max_chars


@BUDGETS
async def test_a_mail_to_a_crowd_shows_its_body_first_and_everybody_at_the_end(
    heap: Heap, tools: Tools, max_chars: int
) -> None:
    result = kept(await tools("read_email", email_id=heap.crowd["id"]), max_chars)
    assert "Hello, all." in fenced(result.text)
    assert "more" in fenced(result.text)
    assert "in full after the body" in result.text
    shown, offset = "", 0
    while offset is not None:
        page = kept(await tools("read_email", email_id=heap.crowd["id"], offset=offset), max_chars)
        shown += fenced(page.text).split("\n\n", 1)[1]
        offset = page.data["next_offset"]
    everybody = heap.box.mail(heap.crowd["id"])["cc"]
    assert len(everybody) == 900
    assert [who for who in everybody if who not in shown] == []
    assert result.data["cc"] == everybody


@BUDGETS
async def test_hundreds_of_attachments_fit(heap: Heap, tools: Tools, max_chars: int) -> None:
    result = kept(await tools("read_email", email_id=heap.clips["id"]), max_chars)
    assert "See the files." in result.text
    assert len(result.data["attachments"]) == 300
    body, calls = await whole_body(tools, max_chars, email_id=heap.clips["id"])
    assert body == "See the files."
    assert calls > 1


@BUDGETS
async def test_huge_tags_fit(heap: Heap, tools: Tools, max_chars: int) -> None:
    result = kept(await tools("read_email", email_id=heap.tagged["id"]), max_chars)
    assert "Tagged." in result.text
    assert len(result.data["tags"]) == 50
    tagged = await tools("tag_email", email_id=heap.tagged["id"], tags=[f"00-{'n' * 60}=v"])
    assert len(tagged.text) <= max_chars


@BUDGETS
async def test_every_row_of_the_inbox_is_shown_once(
    heap: Heap, tools: Tools, max_chars: int
) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = kept(await tools("check_inbox", limit=50, cursor=cursor), max_chars)
        rows = ids(page.data["emails"])
        assert all(row in fenced(page.text) for row in rows)
        seen += rows
        cursor = page.data["cursor"]
        if cursor is None:
            break
        assert f"Older mail: cursor={cursor}" in page.text
    assert len(seen) == len(set(seen))
    assert seen == sorted(ids(heap.box.mails()) + ids(heap.box.mails("inbound")), reverse=True)


@BUDGETS
async def test_every_message_of_a_thread_is_shown_once(
    heap: Heap, tools: Tools, max_chars: int
) -> None:
    seen: list[str] = []
    before = None
    while True:
        page = kept(await tools("get_thread", thread_id=heap.thread_id, before=before), max_chars)
        rows = ids(page.data["messages"])
        assert rows
        assert all(row in fenced(page.text) for row in rows)
        seen = rows + seen
        before = page.data["before"]
        if before is None:
            break
        assert f"get_thread with before={before}" in page.text
    assert seen == heap.thread_ids
    assert len(seen) == 60


@BUDGETS
async def test_a_body_cut_in_a_thread_says_where_the_rest_is(
    heap: Heap, tools: Tools, max_chars: int
) -> None:
    page = kept(await tools("get_thread", thread_id=heap.thread_id), max_chars)
    newest = heap.thread_ids[-1]
    assert f"read_email {newest}]" in page.text
    assert "[quoted history left out]" in page.text
    assert page.data["message_count"] == 60
    assert "60 messages" in page.text


@BUDGETS
async def test_every_contact_is_shown_once(heap: Heap, tools: Tools, max_chars: int) -> None:
    seen: list[str] = []
    while True:
        page = kept(
            await tools("search_contacts", query=heap.contacts, limit=100, offset=len(seen)),
            max_chars,
        )
        seen += [contact["email"] for contact in page.data["contacts"]]
        assert "200 contacts" in page.text
        if len(seen) == 200:
            break
        assert f"{200 - len(seen)} more: offset={len(seen)}." in page.text
    assert len(set(seen)) == 200


@BUDGETS
async def test_everything_that_waits_is_shown_once(
    heap: Heap, connect: Connect, max_chars: int
) -> None:
    for tools in (
        connect(heap.box, max_chars=max_chars),
        connect.approver(heap.box, max_chars=max_chars),
    ):
        seen: list[str] = []
        while len(seen) < 30:
            page = kept(await tools("list_pending", offset=len(seen)), max_chars)
            assert "30 await a human" in page.text
            assert page.data["pending"]
            seen += ids(page.data["pending"])
        waiting = [mail for mail in heap.box.mails() if mail["status"] == "pending_send_approval"]
        assert seen == ids(waiting)[::-1]


@BUDGETS
async def test_a_long_text_file_is_read_piece_by_piece(
    heap: Heap, tools: Tools, max_chars: int
) -> None:
    pieces, offset = [], 0
    wanted = {"email_id": heap.file["id"], "filename": "long.txt"}
    while True:
        result = await tools.call("download_attachment", {**wanted, "offset": offset})
        pieces.append(kept(result, max_chars).data["content"])
        offset = result.data["next_offset"]
        if offset is None:
            break
    assert "".join(pieces).strip() == prose(20_000)
    assert len(pieces) > 2
    assert result.files[0].content.decode().replace("\r\n", "\n").strip() == prose(20_000)


@BUDGETS
async def test_what_comes_while_one_waits_fits(heap: Heap, tools: Tools, max_chars: int) -> None:
    since = heap.crowd["id"]
    kept(await tools("wait_for_email", since_id=since, timeout_seconds=0), max_chars)


@BUDGETS
async def test_a_send_to_many_fits(heap: Heap, tools: Tools, max_chars: int) -> None:
    many = [f"{'x' * 60}-{n}@{'d' * 60}.example.org" for n in range(50)]
    send = {"to": many, "cc": many, "subject": "S" * 998, "body": "x"}
    for result in (await tools.call("send_email", send), await tools.call("send_email", send)):
        assert result.ok
        assert len(result.text) <= max_chars
        assert result.data["to"] == many
        await tools("cancel_message", email_id=result.data["id"])


@pytest.mark.parametrize("max_chars", [1000])
async def test_many_mailboxes_are_shown_once(
    heap: Heap, connect: Connect, create_mailbox: Callable[..., Inbox], max_chars: int
) -> None:
    for _ in range(25):
        create_mailbox()
    tools = connect(heap.box, key=heap.box.server.keys.agent, max_chars=max_chars)
    seen: list[str] = []
    while True:
        page = await tools("list_mailboxes", offset=len(seen))
        assert len(page.text) <= max_chars
        seen += [mailbox["id"] for mailbox in page.data["mailboxes"]]
        if "more: offset=" not in page.text:
            break
        assert f"offset={len(seen)}." in page.text
    assert len(seen) == len(set(seen)) > 25


async def test_a_cut_is_never_the_emergency_brake(
    heap: Heap, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    tools = connect(heap.box, max_chars=1000)
    for mail in (heap.newsletter, heap.crowd, heap.clips, heap.tagged, heap.one_line):
        kept(await tools("read_email", email_id=mail["id"]), 1000)
        kept(await tools("read_email", email_id=mail["id"], offset=10**9), 1000)
    assert "was cut" not in caplog.text


async def test_a_picture_costs_the_model_one_line(box: Inbox, connect: Connect) -> None:
    mail = box.receive_proven(files={"a.png": base64.b64decode("iVBORw0KGgo=") * 5000})
    result = await connect(box)("download_attachment", email_id=mail["id"], filename="a.png")
    assert len(result.text) < 200


class Elsewhere(httpx.MockTransport):
    """An API that lists threads without bodies, names people in From, and has long ids."""

    def __init__(self) -> None:
        super().__init__(self.serve)
        self.rows = [
            {
                "id": f"{number:03}-{'i' * 60}",
                "thread_id": "t" * 64,
                "from": '"ceo@bank.com" <mallory@example.net>',
                "to": [f"{'p' * 60}@example.org"],
                "subject": "s" * 900,
                "direction": "outbound" if number % 2 else "inbound",
                "status": "pending_send_approval" if number % 2 else "x" * 60,
                "attachments": [{"name": "f" * 100, "size": 1}] * 9,
            }
            for number in range(12)
        ]

    def serve(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")[2:]
        if len(parts) == 1:
            box = {"id": "mb_1", "address": "ann@example.org"}
            return httpx.Response(200, json={"mailboxes": [box]})
        if parts[2] == "threads":
            return httpx.Response(200, json={"thread_id": "t" * 64, "emails": self.rows})
        if len(parts) == 3:
            return httpx.Response(200, json={"emails": self.rows, "cursor": "c" * 150})
        row = next(line for line in self.rows if line["id"] == parts[3])
        more = {"tags": {"k" * 60: "v" * 200}, "decision_reason": "r" * 1000}
        return httpx.Response(200, json={**row, **more, "markdown": "b" * 2000})


@BUDGETS
async def test_an_api_with_longer_words_fits_too(mode: str, max_chars: int) -> None:
    api = Elsewhere()
    options: dict[str, Any] = {"base_url": "https://api.example.test", "transport": api}
    tools = Tools(
        Toolkit(
            client=MultiMail("mm_test_x", **options),
            async_client=AsyncMultiMail("mm_test_x", **options),
            max_chars=max_chars,
        ),
        mode,
        FaultyTransport(),
    )
    seen: list[str] = []
    before = None
    while True:
        page = kept(await tools("get_thread", thread_id="t" * 64, before=before), max_chars)
        assert page.data["messages"]
        assert "ceo@bank.com" not in page.text
        seen = ids(page.data["messages"]) + seen
        before = page.data["before"]
        if before is None:
            break
    assert seen == ids(api.rows)
    body, _ = await whole_body(tools, max_chars, email_id=api.rows[0]["id"])
    assert body == "b" * 2000
    inbox = kept(await tools("check_inbox"), max_chars)
    assert "ceo@bank.com" not in inbox.text
    assert "sender and subject not shown: read_email opens it" in inbox.text
    # It also gives more rows than it was asked for.
    left_out = len(api.rows) - len(inbox.data["emails"])
    assert ("do not fit: narrow the search" in inbox.text) is (left_out > 0)
