"""Flags: what looks like a replay or a disguise is said, in words that are the server's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from multimail.trust.evidence import Authentication, parse_authentication
from multimail.trust.labels import assess
from multimail_server.mail.message import parse_message
from multimail_server.mail.scoring import Arrival, find_flags
from multimail_server.services.messages import shorten_evidence
from multimail_server.testing.server import ServerUnderTest

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAILBOX = "agent@agents.localhost"
DISGUISE = "the display name shows another address than the sender's"
REPLAY = "a message with the same Message-ID came before"
ELSEWHERE = "neither To nor Cc names this mailbox"


def get_flags(
    sender: str = "ann@example.com",
    to: str = MAILBOX,
    date: str = "Sat, 21 Nov 2026 11:00:00 +0000",
    extra: str = "",
    **arrival: bool,
) -> tuple[str, ...]:
    raw = f"From: {sender}\r\nTo: {to}\r\nDate: {date}\r\n{extra}\r\nhi\r\n".encode()
    return find_flags(parse_message(raw), Arrival(MAILBOX, NOW, **arrival))


def test_ordinary_mail_bears_no_flag() -> None:
    assert get_flags() == ()


@pytest.mark.parametrize(
    "sender",
    [
        '"ceo@bank.test" <x@attacker.test>',
        '"The CEO (ceo@bank.test)" <x@attacker.test>',
        '"<ceo@bank.test>" <x@attacker.test>',
        "=?utf-8?q?ceo=40bank.test?= <x@attacker.test>",
        "=?utf-8?b?Y2VvQGJhbmsudGVzdA==?= <x@attacker.test>",
        '"ceo\uff20bank.test" <x@attacker.test>',
        '"ceo\u200b@\u2060bank.t\u00adest" <x@attacker.test>',
        '"ann@example.com and x@attacker.test" <x@attacker.test>',
        '"x@attacker.test.bank.test" <x@attacker.test>',
    ],
)
def test_a_display_name_that_shows_another_address_is_named(sender: str) -> None:
    assert get_flags(sender) == (DISGUISE,)


@pytest.mark.parametrize(
    "sender",
    [
        "Ann <ann@example.com>",
        '"ANN@Example.com" <ann@example.com>',
        '"Ann @ Example" <ann@example.com>',
        '"ann@work" <ann@example.com>',
    ],
)
def test_other_names_are_not(sender: str) -> None:
    assert get_flags(sender) == ()


@pytest.mark.parametrize(
    ("to", "extra", "flagged"),
    [
        (f"Agent <{MAILBOX.upper()}>", "", False),
        ("agent+shop@agents.localhost", "", False),
        ("friends: bob@example.net, agent@agents.localhost;", "", False),
        ("bob@example.net", f"Cc: {MAILBOX}\r\n", False),
        ("bob@example.net", "", True),
        ("undisclosed-recipients:;", "", True),
        ("agent@agents.localhost.attacker.test", "", True),
        ("bob@example.net", f"Bcc: {MAILBOX}\r\nX-To: {MAILBOX}\r\n", True),
    ],
)
def test_mail_that_is_addressed_to_others_is_named(to: str, extra: str, flagged: bool) -> None:
    assert get_flags(to=to, extra=extra) == ((ELSEWHERE,) if flagged else ())


@pytest.mark.parametrize(
    ("age", "flag"),
    [
        (timedelta(days=6, hours=23), ()),
        (timedelta(days=7, hours=1), ("it is dated 7 days before it came",)),
        (timedelta(days=400), ("it is dated 400 days before it came",)),
        (timedelta(hours=-23), ()),
        (timedelta(hours=-25), ("it is dated more than a day ahead",)),
    ],
)
def test_old_and_future_mail_is_named(age: timedelta, flag: tuple[str, ...]) -> None:
    assert get_flags(date=format_datetime(NOW - age)) == flag


@pytest.mark.parametrize("date", ["", "junk", "Sat, 21 Nov 99999 11:00:00 +0000", "\x01"])
def test_a_date_that_cannot_be_read_says_nothing(date: str) -> None:
    assert get_flags(date=date) == ()


def test_a_message_id_that_was_there_before_is_named() -> None:
    assert get_flags(seen=True) == (REPLAY,)
    assert get_flags(ours=True) == ("it has the Message-ID of a message that this mailbox sent",)


def letter(subject: str, to: str, message_id: str = "<one@example.com>") -> str:
    return (
        f"From: ann@example.com\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: {message_id}\r\nAuthentication-Results: mx.example; dkim=pass;"
        " spf=pass; dmarc=pass\r\nARC-Authentication-Results: i=1; mx.example; dkim=pass\r\n"
        "\r\nhi\r\n"
    )


def test_a_replay_is_flagged_in_the_mailbox_that_saw_it(multimail_server: ServerUnderTest) -> None:
    server = multimail_server
    home = server.mailbox.address
    for subject in ("First", "Second"):
        server.deliver(letter(subject, home).encode())
    server.deliver(letter("Third", "bob@example.net", "<two@example.com>").encode())
    rows = {subject: server.wait_for_message(subject) for subject in ("First", "Second", "Third")}
    flags = {subject: row["authentication"].get("flags", []) for subject, row in rows.items()}
    assert flags == {"First": [], "Second": [REPLAY], "Third": [ELSEWHERE]}


def test_read_list_and_thread_tell_the_same(multimail_server: ServerUnderTest) -> None:
    server = multimail_server
    server.deliver(letter("Once", "bob@example.net").encode(), sender="ann@example.com")
    row = server.wait_for_message("Once")
    path = f"/v1/mailboxes/{server.mailbox.id}"
    with server.http("agent") as client:
        full = client.get(f"{path}/emails/{row['id']}").json()["authentication"]
        (listed,) = client.get(f"{path}/emails").json()["emails"]
        (threaded,) = client.get(f"{path}/threads/{row['thread_id']}").json()["emails"]
        raw = client.get(f"{path}/emails/{row['id']}/raw").content
    assert full["spf"]["domain"] == "example.com"
    assert full["flags"] == [ELSEWHERE]
    short = listed["authentication"]
    assert threaded["authentication"] == short
    assert judged(short) == judged(full)
    assert b"Authentication-Results: mx.example; dkim=pass" in raw
    assert "mx.example" not in json.dumps([full, listed, threaded])


def judged(evidence: dict[str, Any]) -> tuple[Any, ...]:
    read = parse_authentication({"authentication": evidence})
    assessment = assess(
        Authentication.model_validate(read), arc_sealers=frozenset({"list.example"})
    )
    return assessment.label, assessment.standing


RESULTS = ("pass", "fail", "temperror", "none", "policy")


@pytest.mark.parametrize("spf", [None, *RESULTS])
@pytest.mark.parametrize("dkim", [None, *RESULTS])
def test_the_short_form_leads_to_the_same_label(dkim: str | None, spf: str | None) -> None:
    for aligned in (True, False, None):
        for dmarc in ("pass", "fail", "temperror", "none", "permerror"):
            for policy in ("", "none", "quarantine", "reject"):
                full = {
                    "dkim": [found_by("dkim", dkim, aligned)] if dkim else [],
                    "spf": found_by("spf", spf, aligned) if spf else None,
                    "dmarc": {"result": dmarc, "domain": "example.com", "policy": policy},
                    "arc": {"result": "pass", "sealer": "list.example", "reason": ""},
                    "structure": [],
                    "flags": [ELSEWHERE],
                }
                assert judged(shorten_evidence(full)) == judged(full)
                full["structure"] = ["there is no From"]
                assert judged(shorten_evidence(full)) == judged(full)


def found_by(method: str, result: str, aligned: bool | None) -> dict[str, Any]:
    verdict = {"domain": "example.com", "result": result, "aligned": aligned, "reason": "because"}
    return {**verdict, "selector": "s1"} if method == "dkim" else verdict
