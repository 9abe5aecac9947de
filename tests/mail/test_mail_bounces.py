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
    found = parse_report(report(kind=kind))
    assert found is not None
    assert (found.complaint, found.message_id) == (False, "<1@here.test>")
    text = "550 5.1.1 <ann@other.test>: no such user"
    assert found.failed == (FailedRecipient(("ann@other.test",), "5.1.1", 550, text),)
    assert found.failed[0].kind == "hard"


def test_each_recipient_has_its_group_and_delays_are_no_failures() -> None:
    late = "Final-Recipient: rfc822; late@other.test\nAction: delayed\nStatus: 4.4.1"
    full = (
        "Original-Recipient: rfc822; old@other.test\nFinal-Recipient: rfc822; new@other.test\n"
        "Action: failed (mailbox)\nStatus: 5.2.2 (full)"
    )
    found = parse_report(report("\n\n".join([GONE, late, full])))
    assert found is not None
    assert [one.addresses for one in found.failed] == [
        ("ann@other.test",),
        ("new@other.test", "old@other.test"),
    ]
    assert (found.failed[1].kind, found.failed[1].code) == ("soft", None)


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


def test_status_is_at_the_start_of_a_reply() -> None:
    assert parse_status("5.1.1 who?") == "5.1.1"
    assert parse_status("who? 5.1.1") == ""
    assert parse_status("5.1.1.1 is an address") == ""


def test_what_is_no_report_is_none() -> None:
    assert parse_report(b"From: a@b.test\r\n\r\nThis is a report about 550 5.1.1") is None
    assert parse_report(report().replace(b"multipart/report", b"multipart/mixed")) is None
    assert parse_report(report().replace(b"message/delivery-status", b"text/plain")) is None


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
    found = parse_report(raw[:end])
    assert found is None or len(found.failed) <= 100
