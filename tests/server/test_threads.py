"""Threads: whatever order mail comes in, it finds its conversation, and nobody joins two others."""

from __future__ import annotations

import re

import pytest
from tests.support.server import Json, Start
from tests.support.smtp_sink import SmtpSink

ANN, BOB, EVE = "ann@example.org", "bob@example.net", "eve@evil.example"

# A message is `ID of SENDER to RECIPIENT < IN-REPLY-TO ; REFERENCES`; all but the id may be left
# out, and `_` in an id is a blank. The threads are the ids in each.
HONEST = {
    "in order": (["a", "b < a", "c < b ; a b"], "abc"),
    "the reply first": (["b < a ; a", "a"], "ba"),
    "backwards": (["c < b ; a b", "b < a ; a", "a"], "cba"),
    "the link last": (["c < b ; a b", "a", "b < a ; a"], "acb"),
    "the link last, of several people": (
        [f"c of {ANN} to {BOB} < b", f"a of {ANN} to {BOB}", f"b of {BOB} to {ANN} < a"],
        "cab",
    ),
    "two replies to an unknown message": (["b < x", "c < x"], "bc"),
    "two replies by References alone": (["b ; r x", "c ; r x"], "bc"),
    "two replies, of one conversation": (["b < x ; r x", "c < y ; r y"], "bc"),
    "then the beginning": (["b < x ; r x", "c < y ; r y", "r"], "bcr"),
    "a reply, and the beginning": (["c < b ; a b", "a"], "ca"),
    "two replies, then the original": (["b < x", f"c of {BOB} < x", f"x of {EVE}"], "bcx"),
    "two threads merge, then a third": (
        ["d < c", "b < a", "c < b", "a", "e < d"],
        "bdcae",
    ),
    "the parent before the newest": (["a", "b", "c < a ; b a"], "ac b"),
    "the parent before the last reference": (["a", "b", "c < a ; a b"], "ac b"),
    "of two parents the last reference": (["a", "b", "c < b a ; a"], "ac b"),
    "an older reference": (["a", "c < x ; a x", "d < y ; a x y"], "acd"),
    "a copy by another route": (["a", "a", "b < a"], "aab"),
    "a blank in an id": (["c < yx", "y_x", "d < yx", "e < y_x"], "cyde"),
    "itself": (["a < a ; a", "b < a"], "ab"),
    "no ids at all": (["a ;", "b ;"], "a b"),
    "the same subject": (["a", "b"], "a b"),
}
ATTACKS = {
    "names both": (["a", f"b of {BOB}", f"e of {EVE} < a ; b a"], "ae b"),
    "two parents": (["a", f"b of {BOB}", f"e of {EVE} < a b ; b"], "a be"),
    "before both": ([f"e of {EVE} < a b ; b a", "a", f"b of {BOB}"], "ea b"),
    "as the root and the parent": ([f"e of {EVE} < b ; a b", f"b of {BOB}", "a"], "eb a"),
    "replies to both": ([f"e of {EVE} < b ; a b", f"c of {BOB} < b", f"d of {ANN} < a ; a"],
                        "ec d"),
    "replies to both, listing the victims": (
        [f"e of {EVE} to {ANN} < b ; a b", f"c of {ANN} < a ; a", f"d of {BOB} < b"],
        "ed c",
    ),
    "poses as the missing link": (["a", f"c of {BOB} < x", f"x of {EVE} < a"], "ax c"),
    "poses as the missing link, and leads on": (
        [f"c of {BOB} < x", f"x of {EVE} < a", "a"],
        "cx a",
    ),
    "takes the id": ([f"x of {EVE}", f"e of {EVE} < x", "x"], "xe x"),
    "a chain": ([f"e of {EVE} < a", f"f of {EVE} < b ; e", "a", f"b of {BOB}"], "efa b"),
}  # fmt: skip


def build(mail: str) -> bytes:
    head, _, references = mail.partition(" ;")
    head, _, parents = head.partition(" < ")
    words = head.split()
    facts = dict(zip(words[1::2], words[2::2], strict=True))

    def ids(names: str) -> str:
        return " ".join(f"<{name.replace('_', ' ')}@ids.example>" for name in names.split())

    lines = [f"From: {facts.get('of', ANN)}", f"To: {facts.get('to', 'agent@multimail.test')}"]
    lines += [f"Message-ID: {ids(words[0])}", "Date: Mon, 30 Nov 2026 17:00:00 +0000"]
    lines += ["Subject: Order", f"In-Reply-To: {ids(parents)}", f"References: {ids(references)}"]
    return "\r\n".join([*lines, "", f"{mail}\r\n"]).encode()


@pytest.mark.parametrize("name", [*HONEST, *ATTACKS])
def test_which_mail_belongs_together(start: Start, name: str) -> None:
    mails, expected = {**HONEST, **ATTACKS}[name]
    server = start()
    for number, mail in enumerate(mails):
        raw = build(mail)
        server.deliver(raw if number == 0 else b"X-Route: %d\r\n%b" % (number, raw))
    rows = server.emails()[::-1]
    names = [server.email(row["id"])["rfc_message_id"][1] for row in rows]
    threads: dict[str, str] = {}
    for row, own in zip(rows, names, strict=True):
        threads[row["thread_id"]] = threads.get(row["thread_id"], "") + own
    assert {"".join(sorted(thread)) for thread in threads.values()} == {
        "".join(sorted(thread)) for thread in expected.split()
    }


def test_a_merge_is_an_event_and_an_audit_entry(start: Start) -> None:
    server = start()
    hook = {"url": "https://hooks.example/", "events": ["thread.merged"]}
    assert server.admin.post("/v1/webhooks", json=hook).status_code == 201
    server.deliver(build("c < b"))
    server.deliver(build("a"))
    old, kept = (row["thread_id"] for row in server.emails()[::-1])
    assert server.audit("thread.merge") == []
    server.deliver(build("b < a"))
    link = server.emails()[0]
    assert link["thread_id"] == kept
    [entry] = server.audit("thread.merge")
    assert (entry["resource_type"], entry["resource_id"]) == ("thread", kept)
    assert entry["metadata"] == {"link": link["id"], "merged_thread": old, "messages": 1}
    [event] = server.admin.get("/v1/webhook-deliveries").json()["deliveries"]
    assert (event["event"], event["message_id"]) == ("thread.merged", link["id"])
    for thread in (old, kept):  # The id of the thread that is gone leads on.
        shown: Json = server.agent.get(f"{server.box}/threads/{thread}").json()
        assert (shown["thread_id"], shown["message_count"]) == (kept, 3)


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ("q@x.example", "<q@x.example>"),
        ("<q@x.example>", "q@x.example"),
        ("<q 1 of ann@x.example>", "<q 1 of ann@x.example>"),
        ("<a-very-long@x.example>", "<a-very-long\r\n @x.example>"),
        ("<a-very-long\r\n @x.example>", "<a-very-long@x.example>"),
        ("<<q@x.example>>", '"Order" of Monday (yes) <q@x.example>'),
    ],
)
def test_ids_in_any_form_lead_to_the_thread(start: Start, own: str, named: str) -> None:
    server = start()
    head = f"From: {ANN}\r\nTo: agent@multimail.test\r\nSubject: Order\r\n"
    server.deliver(f"{head}Message-ID: {own}\r\n\r\nOne\r\n".encode())
    server.deliver(f"{head}Message-ID: <2@x>\r\nIn-Reply-To: {named}\r\n\r\nTwo\r\n".encode())
    assert len({row["thread_id"] for row in server.emails()}) == 1


QUEUE_ID = "0102018f00000001-1a2b3c4d-000000"


@pytest.mark.parametrize(
    ("reply", "renamed", "belongs"),
    [
        (f"250 Ok {QUEUE_ID}", f"<{QUEUE_ID}@eu-west-1.relay.test>", True),
        (f"250 2.0.0 queued as <{QUEUE_ID}@mx.test>", f"<{QUEUE_ID}@mx.test>", True),
        (f"250 Ok {QUEUE_ID}", f"<x{QUEUE_ID}@relay.test>", False),
        (f"250 2.0.0 queued as <{QUEUE_ID}@mx.test>", f"<{QUEUE_ID}@evil.test>", False),
        ("250 Ok 4ABC12345", "<4ABC12345@relay.test>", False),
        ("250 Ok, for <ann@example.org>", "<ann@example.org>", False),
    ],
)
def test_a_relay_that_renames_mail(
    start: Start, relay: SmtpSink, reply: str, renamed: str, belongs: bool
) -> None:
    relay.answer = reply
    server = start(live=True, relay=relay.url, oversight_mode="autonomous")
    server.create_mailbox("other")
    sent = server.sent(ANN)
    server.wait_for_status(sent["id"], "sent")
    answer = build("a").replace(b"In-Reply-To: ", f"In-Reply-To: {renamed}".encode())
    server.deliver(answer)
    assert (server.emails()[0]["thread_id"] == sent["thread_id"]) is belongs
    server.deliver(answer, to="other@multimail.test")
    elsewhere = server.wait_for_message(lambda row: row["mailbox_id"] != sent["mailbox_id"])
    assert elsewhere["thread_id"] != sent["thread_id"]


@pytest.mark.parametrize("own", ["<job 7 of ann@x.example>", "<a@b>", "bare@x.example", "<ü@x>"])
def test_a_reply_names_the_id_exactly(start: Start, own: str) -> None:
    server = start(oversight_mode="autonomous")
    server.deliver(f"From: {ANN}\r\nSubject: Hi\r\nMessage-ID: {own}\r\n\r\nHi\r\n".encode())
    sent = server.reply(server.emails()[0]["id"]).json()
    server.wait_for_status(sent["id"], "sent")
    head = server.raw(sent["id"]).partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode()
    named = re.findall(r"(?m)^(?:In-Reply-To|References): (.*?)\r?$", head)
    assert named == ([] if "ü" in own else [f"<{own.strip('<>')}>"] * 2)


def test_a_second_copy_is_not_answered_again(start: Start) -> None:
    server = start()
    for route in (b"", b"X-Route: alias\r\n"):
        server.deliver(route + build("a"))
    second, first = (row["id"] for row in server.emails())
    answer = server.reply(first, "Yes.").json()
    refused = server.reply(second, "Yes, once more.")
    assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_reply")
    assert first in refused.json()["error"]
    assert server.reply(first, "And one more thing.").status_code == 202
    forged = build(f"a of {EVE}")
    server.deliver(forged)
    assert server.reply(server.emails()[0]["id"], "Who are you?").status_code == 202
    for message in server.pending():
        server.decide(message["id"], "reject")
    assert server.status(answer["id"]) == "rejected"
    assert server.reply(second, "Yes.").status_code == 202
