"""Delivery reports: what is read of them, whatever they look like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimail_server.mail.bounces import (
    FailedRecipient,
    classify_failure,
    parse_report,
    parse_status,
)

REPORT = """From: MAILER-DAEMON@mx.test
To: agent@here.test
Subject: Undelivered Mail
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
Original-Envelope-Id: 1

{groups}
--b
Content-Type: {kind}

From: agent@here.test
Message-ID: <1@here.test>
Subject: hi

--b--
"""
GONE = """Final-Recipient: rfc822; Ann@Other.Test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ann@other.test>:
 no such user"""


def report(groups: str = GONE, kind: str = "text/rfc822-headers") -> bytes:
    return REPORT.format(groups=groups, kind=kind).replace("\n", "\r\n").encode()


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a_failure_is_read_with_its_code_and_status(kind: str) -> None:
    parsed = parse_report(report(kind=kind))
    assert parsed is not None
    assert (parsed.complaint, parsed.message_ids) == (False, ("<1@here.test>",))
    text = "550 5.1.1 <ann@other.test>: no such user"
    assert parsed.failed == (FailedRecipient(("ann@other.test",), "5.1.1", 550, text),)
    assert parsed.failed[0].kind == "hard"


def test_each_recipient_has_its_group_and_delays_are_no_failures() -> None:
    late = "Final-Recipient: rfc822; late@other.test\nAction: delayed\nStatus: 4.4.1"
    full = (
        "Original-Recipient: rfc822; old@other.test\nFinal-Recipient: rfc822; new@other.test\n"
        "Action: failed (mailbox)\nStatus: 5.2.2 (full)"
    )
    parsed = parse_report(report("\n\n".join([GONE, late, full])))
    assert parsed is not None
    assert [failure.addresses for failure in parsed.failed] == [
        ("ann@other.test",),
        ("new@other.test", "old@other.test"),
    ]
    assert (parsed.failed[1].kind, parsed.failed[1].code) == ("soft", None)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (550, "5.1.1", "hard"),
        (None, "5.0.0", "hard"),
        (550, "5.1.10", "hard"),
        (550, "5.4.4", "hard"),
        (550, "", "hard"),
        (550, "5.7.1", "soft"),
        (552, "5.2.2", "soft"),
        (553, "5.1.8", "soft"),
        (552, "5.3.4", "soft"),
        (None, "5.4.7", "soft"),
        (450, "4.2.1", "soft"),
        (None, "", "soft"),
    ],
)
def test_hard_means_that_the_address_is_no_good(code: int | None, status: str, kind: str) -> None:
    assert classify_failure(code, status) == kind


ID = "<1@here.test>"
OTHER_FORMS = {
    "no report-type": ("; report-type=delivery-status", ""),
    "another type": ("report; report-type=delivery-status", "mixed"),
    "UTF-8 parts": ("message/delivery-status", "message/global-delivery-status"),
    "no type of address": ("rfc822; Ann@Other.Test", "Ann@Other.Test"),
    "brackets": ("rfc822; Ann@Other.Test", "rfc822;<Ann@Other.Test> (Ann)"),
    "a UTF-8 address": ("rfc822; Ann", "utf-8; Ann"),
    "an escaped address": ("rfc822; Ann", r"utf-8; A\x{6E}n"),
    "the id in the status": ("Reporting-MTA", f"X-Original-Message-ID: {ID}\nReporting-MTA"),
    "no action": ("Action: failed\n", ""),
    "another action": ("Action: failed", "Action: Failed (no such user)"),
    "one block": ("Original-Envelope-Id: 1\n\n", ""),
    "no type of diagnostic": ("smtp; 550", "550"),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("kind", ["message/global", "message/global-headers", "text/plain"])
def test_other_forms_of_a_report_are_read(form: str, kind: str) -> None:
    before, after = OTHER_FORMS[form]
    raw = REPORT.format(groups=GONE, kind=kind)
    assert before in raw
    raw = raw.replace(before, after).replace("Subject: Und", f"In-Reply-To: {ID}\nSubject: Und")
    parsed = parse_report(raw.replace("\n", "\r\n").encode())
    assert parsed is not None
    assert (parsed.message_ids, len(parsed.failed)) == ((ID,), 1)
    assert parsed.failed[0].addresses == ("ann@other.test",)
    assert (parsed.failed[0].status, parsed.failed[0].code) == ("5.1.1", 550)


COPY = f"Return-Path: <a@here.test>\nFrom: a@here.test\nMessage-Id:\n {ID}\nSubject: 550 5.9.9\n"
EXIM = f"""The mail software wrote this message.

These addresses failed:

  ann@other.test
    host mx.other.test [192.0.2.1]: after RCPT TO:<ann@other.test>
    550 5.1.1 refused
  bob@other.test
    Unrouteable address

------ The copy of the message with all its headers follows. ------

{COPY}"""
QMAIL = f"""Hi. This is the program at mx.test.
We could not deliver to:

<ann@other.test>:
192.0.2.1 does not like the recipient. (#5.1.1)

<bob@other.test>:
Sorry, no mailbox here by that name.

--- Below this line is a copy of the message.

{COPY}"""
EXCHANGE = f"""Not everybody was reached:

      ann@other.test on 11/30/2026 5:00 PM
            There is no such account. <mx.test #5.1.1 smtp;550 5.1.1 refused>
      bob@other.test on 11/30/2026 5:00 PM
            The recipient could not be found.

Original message headers:

{COPY}"""
HTML = f"<p>Nobody has the address <b>ann@other.test</b>: 550 5.1.1 no<pre>\n{COPY}"
DAEMON = "From: Mail <MAILER-DAEMON@mx.test>\n"
EXCHANGE_DAEMON = f"From: x <MicrosoftExchange{'0a' * 16}@mx.test>\n"
LISTED = "From: Mail <mail@mx.test>\nX-Failed-Recipients: ann@other.test, bob@other.test\n"
BOTH = {"ann@other.test": "hard", "bob@other.test": "hard"}


@pytest.mark.parametrize(
    ("head", "text", "failed"),
    [
        (LISTED, EXIM, BOTH),
        (DAEMON, QMAIL, BOTH),
        (EXCHANGE_DAEMON, EXCHANGE, BOTH),
        (DAEMON + "Content-Type: text/html\n", HTML.replace(ID, "&lt;1@here.test&gt;"),
         {"ann@other.test": "hard"}),
        (DAEMON, f"The server said:\n550: 5.2.2 full\nto ann@other.test\n--- copy of it\n{COPY}",
         {"ann@other.test": "soft"}),
        (LISTED, f"It did not work.\n{COPY}", dict.fromkeys(BOTH, "soft")),
        (DAEMON, f"Your message to ann@other.test: 4.4.1 delayed 4 hours.\n{COPY}", {}),
        (LISTED, f"A warning message only. 550 5.1.1 ann@other.test\n{COPY}", {}),
        (DAEMON, f"ann@other.test got your mail of 512 bytes.\n--- copy of it\n{COPY}", {}),
        ("From: Ann <ann@other.test>\n", f"ann@other.test: 550 5.1.1 user unknown\n{COPY}", {}),
    ],
    ids=["exim", "qmail", "exchange", "html", "one reason", "no reason", "delay", "warning",
         "success", "a person"],
)  # fmt: skip
def test_bounces_in_words(head: str, text: str, failed: dict[str, str]) -> None:
    parsed = parse_report(f"{head}Subject: failure\n\n{text}".replace("\n", "\r\n").encode())
    if parsed is None:
        assert failed == {}
    else:
        assert parsed.message_ids == (ID,)
        assert {row.addresses[0]: row.kind for row in parsed.failed} == failed


def test_status_is_at_the_start_of_a_reply() -> None:
    assert parse_status("5.1.1 who?") == "5.1.1"
    assert parse_status("who? 5.1.1") == ""
    assert parse_status("5.1.1.1 is an address") == ""


def test_what_is_no_report_is_none() -> None:
    assert parse_report(b"From: a@b.test\r\n\r\nThis is a report about 550 5.1.1") is None
    prose = report().replace(b"message/delivery-status", b"text/plain")
    assert parse_report(prose.replace(b"MAILER-DAEMON", b"ann")) is None
    fine = prose.replace(b"550 5.1.1", b"250 2.1.5").replace(b"5.1.1", b"2.1.5")
    assert parse_report(fine.replace(b"no such user", b"delivered")) is None


PIECES = (b"\r\n\r\n", b"--b", b"Action: failed", b"rfc822; ", b"\x00", b"550 ", b"5.1.1", b"\xff")


@given(
    cuts=st.lists(st.tuples(st.integers(0, 900), st.sampled_from(PIECES)), max_size=6),
    end=st.integers(0, 900),
)
@settings(max_examples=200, deadline=None)
def test_no_damage_makes_it_raise(cuts: list[tuple[int, bytes]], end: int) -> None:
    raw = report()
    for at, piece in cuts:
        raw = raw[:at] + piece + raw[at:]
    parsed = parse_report(raw[:end])
    assert parsed is None or len(parsed.failed) <= 100
