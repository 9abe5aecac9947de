"""Calendar invitations: read in words, whatever the program that wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail_server.mail.calendars import describe_calendar
from multimail_server.mail.message import parse_message

TOP = b"From: ann@example.org\r\nMIME-Version: 1.0\r\n"


def calendar(*lines: str, method: str = "REQUEST") -> str:
    event = ["BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", f"METHOD:{method}", *event, "END:VCALENDAR", ""])


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["SUMMARY:Rates\\, plans\\; and", "  a fold"], "Event: Rates, plans; and a fold"),
        (["DTSTART:20261201T090000Z", "DTEND:20261201T100000Z"],
         "When: Tue 2026-12-01 09:00 (UTC) to Tue 2026-12-01 10:00 (UTC)"),
        (["DTSTART;TZID=Europe/Berlin:20261201T100000", "DURATION:PT1H30M"],
         "When: Tue 2026-12-01 10:00 (Europe/Berlin), for 1 hour 30 minutes"),
        (['DTSTART;TZID="W. Europe Standard Time":20261201T100000'],
         "When: Tue 2026-12-01 10:00 (W. Europe Standard Time)"),
        (["DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261203"],
         "When: Tue 2026-12-01 to Wed 2026-12-02, all day"),
        (["DTSTART:20261201", "DTEND:20261202"], "When: Tue 2026-12-01, all day"),
        (["DTSTART;VALUE=DATE:20261201", "DURATION:P1W"], "When: Tue 2026-12-01 to Mon 2026-12-07"),
        (["DTSTART:20261201", "DURATION:P99999D"], "When: Tue 2026-12-01 to "),
        (["DTSTART;VALUE=DATE:99991231", "DURATION:P9D"], "When: Fri 9999-12-31, all day"),
        (["RECURRENCE-ID:20261201T090000Z"],
         "Only the date that was on: Tue 2026-12-01 09:00 (UTC)"),
        (["RECURRENCE-ID;RANGE=THISANDFUTURE:20261201T090000Z"],
         "The date that was on, and all after it: Tue 2026-12-01 09:00 (UTC)"),
        (["URL:https://a.example/1", "CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://a.example/2"],
         "Link: https://a.example/1\nLink: https://a.example/2"),
        (["X-GOOGLE-CONFERENCE:https://a.example/3"], "Link: https://a.example/3"),
        (["ATTENDEE;CN=Bob ^'B^' Lee:mailto:b@example.org"], 'Bob "B" Lee <b@example.org>'),
        (["DTSTART:20269901T990000"], "When: 2026-99-01 99:00 (no time zone)"),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20270101"],
         "Repeats: every 2 weeks on MO,WE, until Fri 2027-01-01"),
        (["RRULE:FREQ=DAILY;COUNT=3"], "Repeats: every day, 3 times"),
        (["RRULE:FREQ=SECONDLY"], "Repeats: FREQ=SECONDLY"),
        (["LOCATION:Room 4"], "Where: Room 4"),
        (["ORGANIZER;CN=\"B, Ann\":MAILTO:ann@example.org"], "Organizer: B, Ann <ann@example.org>"),
        (["ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org",
          "ATTENDEE;ROLE=OPT-PARTICIPANT:mailto:c@example.org"],
         "Attendees: Bob <bob@example.org> (accepted); c@example.org (optional)"),
        (["SEQUENCE:2"], "Version: 2"),
        (["DESCRIPTION:Bring\\nthe plans"], "Description: Bring\nthe plans"),
        (["STATUS:CANCELLED"], "Invitation or update (cancelled)."),
        (["BEGIN:VALARM", "DESCRIPTION:alarm", "END:VALARM", "SUMMARY:x"], "Event: x"),
    ],
)  # fmt: skip
def test_an_event_in_words(lines: list[str], shown: str) -> None:
    described = describe_calendar(calendar(*lines))
    assert shown in described
    assert "alarm" not in described


@pytest.mark.parametrize(
    ("method", "word"),
    [("REQUEST", "Invitation"), ("CANCEL", "cancelled"), ("REPLY", "Reply"), ("PUBLISH", "Event")],
)
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_what_a_calendar_is_for(method: str, word: str, newline: str) -> None:
    text = calendar("SUMMARY:x", method=method).replace("\r\n", newline)
    assert word in describe_calendar(text).splitlines()[0]


def test_a_calendar_that_is_cut_off_is_read() -> None:
    assert "Event: x" in describe_calendar(calendar("SUMMARY:x").partition("END:")[0])
    assert describe_calendar("no calendar") == ""


INVITATION = calendar("SUMMARY:Review of the plans").encode()
ICS = b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + INVITATION
FILE = b"Content-Type: application/ics; name=invite.ics\r\n\r\n" + INVITATION
TEXT = b"Content-Type: text/plain\r\n\r\nPlease come."


@pytest.mark.parametrize(
    ("parts", "is_alone"), [([ICS], True), ([TEXT, ICS, FILE], False), ([TEXT, FILE], False)]
)
def test_the_body_has_an_invitation_once(parts: list[bytes], is_alone: bool) -> None:
    raw = TOP + b"Content-Type: multipart/alternative; boundary=B\r\n\r\n"
    raw += b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + b"--B--\r\n"
    message = parse_message(TOP + ICS if is_alone else raw)
    assert message.markdown.count("Event: Review of the plans") == 1
    assert message.attachments[-1].name == "invite.ics"


@given(st.text(alphabet=':;=,"\\\nABEGIN VT0123Z', max_size=80))
def test_broken_calendars_are_no_error(noise: str) -> None:
    describe_calendar(calendar(noise, f"DTSTART:{noise}", f"RRULE:{noise}", f"ATTENDEE;{noise}"))


@pytest.mark.parametrize(
    "piece",
    ["BEGIN:VEVENT\n", "ATTENDEE:x\n", "A;" * 50 + "\n", ';A="', "\n ", "BEGIN:X\n", "\\n", ",1"],
)
def test_hostile_calendars_take_linear_time(piece: str) -> None:
    head = "BEGIN:VEVENT\nDTSTART:"
    assert is_linear(lambda text: describe_calendar(head + text), piece, 400_000)
