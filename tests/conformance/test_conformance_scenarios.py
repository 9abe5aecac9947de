"""The scenarios, the same in every framework, to what ends in the server's store."""

from __future__ import annotations

import re
import threading
from typing import Any

import httpx
import pytest
from tests.conformance.driver import DONE, Call, Driver, Run, Step, Texts, ids_in
from tests.tools.support import AT_ONCE, Fault, FaultyTransport, Inbox, answer, make_message

from multimail import AsyncMultiMail, MultiMail
from multimail_cli.demo.scripted_model import fail

# CrewAI warns of its own arguments.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:crewai\..*")

SEND: Call = (
    "send_email",
    {"to": ["ann@example.org"], "subject": "Offer", "body": "It is ready."},
)
SOON = {"retry-after-ms": "1"}


def newest(texts: Texts) -> str:
    """Return the first id that the last result shows."""
    return ids_in(texts[-1])[0]


def read_newest(texts: Texts) -> Call:
    return "read_email", {"email_id": newest(texts)}


def agent(driver: Driver, box: Inbox, **options: Any) -> Any:
    """Return the agent's toolkit for a mailbox."""
    return driver.toolkit(box.agent_key, base_url=box.server.url, **options)


def on(driver: Driver, box: Inbox, way: FaultyTransport) -> Any:
    """Return the agent's toolkit on a network with faults."""
    facts: Any = {"base_url": box.server.url, "transport": way, "retry": AT_ONCE}
    later = AsyncMultiMail(box.agent_key, **facts)
    driver.async_clients.append(later)
    now = MultiMail(box.agent_key, **facts)
    driver.open.append(now)
    return driver.toolkit(client=now, async_client=later)


def review(driver: Driver, box: Inbox, decision: str, **more: Any) -> Run:
    """Let a second agent of the same framework, another principal, decide what waits."""
    toolkit = driver.toolkit(box.reviewer_key, approver=True, base_url=box.server.url)
    decide: Step = lambda texts: (  # noqa: E731
        "decide_email",
        {"email_id": newest(texts), "decision": decision, **more},
    )
    run = driver.run(toolkit, ("list_pending", {}), read_newest, decide)
    assert run.answer == DONE
    return run


def held(box: Inbox) -> str:
    """Return the id of the one email of the mailbox, which waits."""
    (mail,) = box.mails()
    assert mail["status"] == "pending_send_approval"
    assert box.left() == []
    return str(mail["id"])


def test_triage(driver: Driver, box: Inbox) -> None:
    """Check the inbox, read the newest, tag it; the tags and the mark are in the store."""
    mail = box.receive("The invoice is attached.", subject="Invoice 7")
    run = driver.run(
        agent(driver, box),
        ("check_inbox", {"unread_only": True, "limit": 5}),
        read_newest,
        lambda texts: ("tag_email", {"email_id": newest(texts), "tags": ["kind=billing", "seen"]}),
    )
    inbox, read, _ = run.texts
    assert run.answer == DONE
    assert "Invoice 7" in inbox
    assert "The invoice is attached." in read
    assert "unauthenticated" in read
    stored = box.mail(mail["id"])
    assert stored["tags"] == {"kind": "billing", "seen": "true"}
    assert stored["status"] == "read"


def test_reply_in_thread(driver: Driver, auto_box: Inbox) -> None:
    """Read a thread and reply; the reply leaves in the thread, with `In-Reply-To`."""
    box = auto_box
    first = box.receive("Is it ready?", subject="Order", Message_ID="<order@example.org>")
    run = driver.run(
        agent(driver, box, policy="off"),
        ("check_inbox", {}),
        lambda texts: ("get_thread", {"thread_id": ids_in(texts[-1], "msg")[0]}),
        ("reply_email", {"email_id": first["id"], "body": "Yes, it is."}),
        ("get_thread", {"thread_id": first["thread_id"]}),
    )
    assert run.answer == DONE
    assert "Is it ready?" in run.texts[1]
    (left,) = box.left()
    assert left["thread_id"] == first["thread_id"]
    assert left["recipients"] == ["ann@example.org"]
    assert "In-Reply-To: <order@example.org>" in left["raw"]
    assert "Yes, it is." in left["raw"]
    assert left["id"] in run.text


def test_approval(driver: Driver, box: Inbox) -> None:
    """A send is held; a second agent, another principal, approves it; then it leaves."""
    run = driver.run(agent(driver, box), SEND)
    assert "Held for approval" in run.text
    email_id = held(box)
    assert email_id in run.text
    review(driver, box, "approve")
    (left,) = box.left()
    assert left["id"] == email_id
    assert "It is ready." in left["raw"]


def test_rejection(driver: Driver, box: Inbox) -> None:
    """The second agent rejects it with a reason; the author's next run reads the reason."""
    driver.run(agent(driver, box), SEND)
    email_id = held(box)
    review(driver, box, "reject", reason="Say what is ready.")
    run = driver.run(agent(driver, box), ("read_email", {"email_id": email_id}))
    assert "Say what is ready." in run.text
    assert box.mail(email_id)["status"] == "rejected"
    assert box.left() == []


def test_cancel(driver: Driver, box: Inbox) -> None:
    """A held send is withdrawn by its author, and never leaves."""
    run = driver.run(
        agent(driver, box),
        SEND,
        lambda texts: ("cancel_message", {"email_id": newest(texts)}),
    )
    assert run.answer == DONE
    assert "will not be sent" in run.text
    assert [mail["status"] for mail in box.mails()] == ["cancelled"]
    assert box.left() == []


class Watched(FaultyTransport):
    """The network, which signals the third request: the first poll of a wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def _fault(self, request: httpx.Request) -> Fault | None:
        fault = super()._fault(request)
        if len(self.requests) >= 3:
            self.waits.set()
        return fault


def test_wait_for_email(driver: Driver, box: Inbox) -> None:
    """Wait for a sender's mail, which comes while the call is waiting."""
    box.receive("Old.", subject="Old")
    way = Watched()

    def postman() -> None:
        if way.waits.wait(60):
            box.deliver(make_message("Here I am.", subject="New", to=box.address))

    thread = threading.Thread(target=postman, daemon=True)
    thread.start()
    wait: Call = ("wait_for_email", {"sender": "ann@example.org", "timeout_seconds": 20})
    run = driver.run(on(driver, box, way), wait, read_newest)
    thread.join()
    assert run.answer == DONE
    assert "ann@example.org: New" in run.texts[0]
    assert "Here I am." in run.text


def test_attachments(driver: Driver, box: Inbox) -> None:
    """A text attachment is shown; for a binary one the result says so."""
    mail = box.receive_proven(files={"note.txt": "Bring the keys.\n", "photo.bin": b"\x00\xff"})
    steps: list[Call] = [
        ("download_attachment", {"email_id": mail["id"], "filename": name})
        for name in ("note.txt", "photo.bin")
    ]
    run = driver.run(agent(driver, box), *steps)
    text, binary = run.texts
    assert run.answer == DONE
    assert "Bring the keys." in text
    assert "not plain text" in binary
    assert "AP8=" not in binary


def test_repeated_send(driver: Driver, auto_box: Inbox) -> None:
    """The model sends the same twice; one email leaves, and the second result says so."""
    run = driver.run(agent(driver, auto_box), SEND, SEND)
    first, second = run.texts
    assert run.answer == DONE
    assert "Already done" not in first
    assert "Already done" in second
    assert "Nothing was sent now" in second
    (left,) = auto_box.left()
    assert left["id"] in first
    assert left["id"] in second


def test_model_failure(driver: Driver, auto_box: Inbox) -> None:
    """The model's server fails around a send; the framework tries again; one email."""
    run = driver.run(agent(driver, auto_box), fail(503, SOON), SEND, fail(429, SOON))
    assert run.answer == DONE
    assert run.requests == 4
    assert len(run.texts) == 1
    assert len(auto_box.mails()) == len(auto_box.left()) == 1


def test_api_failure(driver: Driver, auto_box: Inbox) -> None:
    """The API answers 429, 503, then loses a good answer; the send recovers; one email."""
    way = FaultyTransport([Fault(answer(429)), Fault(answer(503)), Fault(answer(503), served=True)])
    run = driver.run(on(driver, auto_box, way), SEND)
    assert run.answer == DONE
    assert not way.faults
    assert len(way.posts) == 4
    (left,) = auto_box.left()
    assert left["id"] in run.text
    assert "Error" not in run.text
    assert len(auto_box.mails()) == 1


def test_missing_scope(driver: Driver, box: Inbox) -> None:
    """A key that cannot send; the result says why, and the run continues."""
    toolkit = driver.toolkit(box.reviewer_key, base_url=box.server.url)
    run = driver.run(toolkit, SEND, ("list_mailboxes", {}))
    assert run.answer == DONE
    assert "missing_scope" in run.texts[0]
    assert box.address in run.text
    assert box.mails() == []


def test_unknown_id(driver: Driver, box: Inbox) -> None:
    """An id that does not exist; the result names it, and the run continues."""
    steps: list[Call] = [
        ("read_email", {"email_id": "msg_unknown"}),
        ("reply_email", {"email_id": "msg_unknown", "body": "Yes."}),
        ("list_mailboxes", {}),
    ]
    run = driver.run(agent(driver, box), *steps)
    read, reply, good = run.texts
    assert run.answer == DONE
    for text in (read, reply):
        assert "not_found" in text
        assert "msg_unknown" in text
    assert box.address in good
    assert box.mails() == []


_GOOD = SEND[1]
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"to": _GOOD["to"], "body": "Hello."}, "subject"),
    ({**_GOOD, "body": None}, "body"),
    ({**_GOOD, "subject": ["Offer"]}, "subject"),
    ({**_GOOD, "cc": "not an address"}, "cc"),
    ({**_GOOD, "idempotency_key": "again"}, "idempotency_key"),
    ({**_GOOD, "to": ["ann@example.org", "bad"]}, "bad"),
    ({**_GOOD, "subject": "Hi\r\nBcc: spy@example.net"}, "subject"),
]


def test_malformed_arguments(driver: Driver, auto_box: Inbox) -> None:
    """Seven malformed calls; each error names the argument, nothing is sent."""
    steps: list[Call] = [("send_email", arguments) for arguments, _ in MALFORMED]
    run = driver.run(agent(driver, auto_box), *steps, ("list_mailboxes", {}))
    assert run.answer == DONE
    assert auto_box.mails() == auto_box.left() == []
    *errors, good = run.texts
    assert auto_box.address in good
    for text, (arguments, name) in zip(errors, MALFORMED, strict=True):
        fault = text.partition("its arguments are")[0].replace("send_email", "")
        assert re.search(rf"\b{name}\b", fault), (arguments, text)


def test_search_and_archive(driver: Driver, box: Inbox) -> None:
    """Find a mail by its words, read it, archive it: it leaves the inbox and is still found."""
    box.receive("Nothing of interest.", subject="Other")
    mail = box.receive("The heating was mended on Friday.", subject="House")
    search: Call = ("search_email", {"query": 'heating "on friday" -nothing'})
    run = driver.run(
        agent(driver, box),
        search,
        read_newest,
        ("mark_email", {"email_ids": [mail["id"]], "mark": "archived"}),
        ("check_inbox", {}),
        search,
    )
    assert run.answer == DONE
    assert ids_in(run.texts[0]) == [mail["id"]]
    assert "The heating was mended" in run.texts[0]
    assert mail["id"] not in run.texts[3]
    assert ids_in(run.texts[4]) == [mail["id"]]
    assert [row["status"] for row in box.mails("inbound")] == ["unread"]


def test_newsletter(driver: Driver, box: Inbox) -> None:
    """A message of 300 KB; each piece is within `max_chars` and says how to go on."""
    lines = [f"{number:06} the quick brown fox jumps over the lazy dog." for number in range(6000)]
    mail = box.receive("\n".join(lines), subject="News")

    def go_on(texts: Texts) -> Call:
        (offset,) = re.findall(r"offset=(\d+)", texts[-1])
        return "read_email", {"email_id": mail["id"], "offset": int(offset)}

    start: Call = ("read_email", {"email_id": mail["id"]})
    run = driver.run(agent(driver, box, max_chars=2500), start, go_on, go_on)
    assert run.answer == DONE
    assert [len(text) <= 2500 for text in run.texts] == [True] * 3
    shown = re.findall(r"(\d{6}) the quick", "".join(run.texts))
    whole = [f"{number:06}" for number in range(max(map(int, shown)) + 1)]
    assert len(whole) - len(set(shown)) <= 2, "a cut may split a line, and nothing else is lost"


def test_two_sessions(driver: Driver, auto_box: Inbox) -> None:
    """The same send in two conversations on one toolkit; two emails."""
    toolkit = agent(driver, auto_box)
    for session in ("one", "two"):
        run = driver.run(toolkit, SEND, session=session)
        assert run.answer == DONE
        assert "Already done" not in run.text
    assert len(auto_box.mails()) == 2


def test_resumed_session(driver: Driver, auto_box: Inbox) -> None:
    """The same send in two runs of one conversation; one email."""
    toolkit = agent(driver, auto_box)
    texts = [driver.run(toolkit, SEND, session="one").text for _ in range(2)]
    assert "Already done" in texts[1]
    assert len(auto_box.mails()) == 1


UNKNOWN_TOOL = (
    *("not a valid tool", "Tool not found", "Unknown tool", "not among", "does not exist"),
    *(
        "not found in any workbench",
        "not part of the provided tools",
        "' not found.",
        '" not found.',
        "no tool with that name",
        "not found. Please select",
    ),
)
"""How the frameworks tell a model that it has no such tool."""


def test_no_self_approval(driver: Driver, box: Inbox) -> None:
    """An agent asks for `decide_email`; it has none, nothing is decided, and the run continues."""
    run = driver.run(
        agent(driver, box),
        SEND,
        lambda texts: ("decide_email", {"email_id": newest(texts), "decision": "approve"}),
        ("list_pending", {}),
    )
    assert run.answer == DONE
    assert "send_email" in run.offered
    assert "decide_email" not in run.offered
    assert len(run.texts) == 3
    assert "was approved" not in run.texts[1]
    assert any(word in run.texts[1] for word in UNKNOWN_TOOL), run.texts[1]
    assert held(box) in run.text


def test_empty_arguments(driver: Driver, box: Inbox) -> None:
    """A model fills every argument, and writes lists and ids as text: it is read as meant."""
    mail = box.receive()
    empty = {"cc": [], "bcc": "[]", "send_at": "", "mailbox": "null"}
    run = driver.run(
        agent(driver, box),
        ("check_inbox", {"limit": "", "unread_only": "false", "sender": "", "direction": ""}),
        ("read_email", {"email_id": f"email_id: `{mail['id']}`", "offset": "", "version": ""}),
        ("tag_email", {"email_id": mail["id"], "tags": '["billing", "urgent"]'}),
        ("send_email", {**SEND[1], "to": '"Ann, B." <ann@example.org>', **empty}),
    )
    assert mail["id"] in run.texts[0]
    assert "Hello." in run.texts[1]
    assert box.mail(mail["id"])["tags"] == {"billing": "true", "urgent": "true"}
    assert box.mail(held(box))["to"] == ["ann@example.org"]


def test_repeated_error(driver: Driver, box: Inbox) -> None:
    """A model repeats a call that cannot work: the second answer says to leave it."""
    late: Call = ("send_email", {**SEND[1], "send_at": "tomorrow"})
    wrong: Call = ("check_inbox", {"limit": "many"})
    run = driver.run(agent(driver, box), late, late, wrong, wrong)
    first, second, third, fourth = run.texts
    assert "send_at can be left out" in first
    assert "You sent the same send_email call again" in second
    assert "Leave out send_at" in second
    assert "limit can be left out" in third
    assert "Leave out limit" in fourth
    assert box.mails() == []


def test_files_forwards_and_revisions(driver: Driver, box: Inbox) -> None:
    """Send a received file back, forward the mail and revise that: each waits, with its origin."""
    mail = box.receive_proven("Please sign.", subject="Contract", files={"c.txt": "x"})
    file = box.mail(mail["id"])["attachments"][0]["id"]
    run = driver.run(
        agent(driver, box, include="full"),
        ("read_email", {"email_id": mail["id"]}),
        ("reply_email", {"email_id": mail["id"], "body": "Signed.", "attachments": [file]}),
        ("forward_email", {"email_id": mail["id"], "to": ["legal@ours.example"]}),
        lambda texts: ("revise_message", {"email_id": newest(texts), "body": "For your files."}),
    )
    assert run.answer == DONE
    assert file in run.texts[0]
    forward, reply = (box.mail(row["id"]) for row in box.mails())
    assert [part["origin"]["id"] for part in reply["attachments"]] == [mail["id"]]
    assert (forward["forwards_id"], forward["markdown"]) == (mail["id"], "For your files.")
    assert {row["status"] for row in (forward, reply)} == {"pending_send_approval"}
    box.settle()
