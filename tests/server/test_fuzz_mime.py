"""Hostile MIME: whatever is received is stored byte for byte, and every route can still show it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.server import Json, ServerFixture, accepted

from multimail_server import ServerConfig

SETTINGS = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NUMBERS = itertools.count()

NAMES = (
    b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
    b"Reply-To", b"List-Id", b"Auto-Submitted", b"Content-Type", b"Content-Transfer-Encoding",
    b"Content-Disposition", b"Content-ID", b"MIME-Version", b"Received", b"X\xff", b"", b"From ",
)  # fmt: skip
VALUES = (
    b"ann@example.com", b"Ann <ann@example.com>, <b@", b"=?utf-8?q?=FF=00?= <x@y>", b"<<>>", b"@",
    b"=?utf-8?b?////?=", b"=?iso-2022-jp?b?GyRC?=", b"=?x?z?y?=", b"=?" * 200, b"(" * 300,
    b'"' * 99,
    b"multipart/mixed; boundary=b", b'multipart/mixed; boundary=""', b"multipart/mixed",
    b"multipart/alternative; boundary=b; boundary=c", b"message/rfc822", b"text/html", b"text/",
    b"text/plain; charset=\xff\xff", b"text/plain; charset=utf-16",
    b"text/plain; charset=unicode-escape",
    b"text/plain; charset*=x'y'z; charset*0*=%ff", b"text/plain; charset=idna", b"application/pdf",
    b"base64", b"quoted-printable", b"x-uuencode", b"8bit",
    b"attachment; filename=../../etc/passwd",
    b"attachment; filename*=utf-8''%00%ff%2f", b"attachment; filename=", b"inline", b"<a@b>" * 200,
    b"Fri, 99 Feb 99999 99:99:99 +9999", b"\0", b"\xc3\x28", b"", b" ", b"\t\r\n folded\r\n\t",
    b"\xed\xa0\x80", "\u202eevil\u2066".encode(), b"x" * 2000,
)  # fmt: skip
BODIES = (
    b"--b\r\n", b"--b--\r\n", b"--b\r\n\r\n", b"--b\r\nContent-Type: text/html\r\n\r\n<p>hi",
    b"<div " * 200, b"<style>" * 50, b"</p>" * 99, b"&#xD800;&#0;&#x110000;", b"=\r\n=FF=0",
    b"////",
    b"begin 644 x\r\n#AAAA\r\nend\r\n",
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\r\n\r\n",
    b"--b\r\nContent-Disposition: attachment; filename=f\r\n\r\ndata\r\n",
    b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", b"\0\0\0", b"\xff\xfe", b"\r",
    b"\n.\n",
)  # fmt: skip

fields = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    st.sampled_from(NAMES),
    st.sampled_from([b": ", b":", b" : ", b""]),
    st.one_of(st.sampled_from(VALUES), st.binary(max_size=40)),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]),
)
bodies = st.lists(st.one_of(st.sampled_from(BODIES), st.binary(max_size=60)), max_size=10)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerFixture]:
    """A server that asks no DNS server."""
    zone = tmp_path_factory.mktemp("dns") / "zone"
    zone.write_text("example.com. 60 IN A 192.0.2.1\n")
    with ServerFixture(ServerConfig(port=0, smtp_port=0, dns_zone=Path(zone))) as running:
        yield running


@pytest.fixture(scope="module")
def agent(target: ServerFixture) -> Iterator[httpx.Client]:
    with target.http("agent") as client:
        yield client


def shown_everywhere(agent: httpx.Client, email: Json) -> None:
    """Ask every route that shows something of a message."""
    root = f"/v1/mailboxes/{email['mailbox_id']}"
    opened = accepted(agent.get(f"{root}/emails/{email['id']}"))
    assert accepted(agent.get(f"/read_email/{email['id']}"))["markdown"] == opened["markdown"]
    for file in opened["attachments"]:
        assert "/" not in file["name"]
        for rest in ("", "/url"):
            got = accepted(agent.get(f"{root}/emails/{email['id']}/attachments/{file['id']}{rest}"))
            assert got["size"] == file["size"]
    thread = accepted(agent.get(f"/get_thread/{email['thread_id']}"))
    assert email["id"] in [row["id"] for row in thread["messages"]]
    assert accepted(agent.get("/check_inbox"))["messages"][0]["id"] == email["id"]


@SETTINGS
@given(head=st.lists(fields, max_size=8), body=bodies)
@example(head=[b"Content-Type: multipart/mixed; boundary=b\r\n"], body=[BODIES[13]] * 300)
@example(head=[b"Content-Type: message/rfc822\r\n\r\n"] * 300, body=[])
@example(head=[b"From: a@example.com\r\n"] * 3000, body=[])
@example(head=[b"Subject:" + b"\r\n " * 5000], body=[])
@example(head=[b"Content-Type: text/html\r\n"], body=[b"<b>" * 20_000])
def test_any_message_is_kept_and_can_be_shown(
    agent: httpx.Client, head: list[bytes], body: list[bytes]
) -> None:
    raw = b"".join([*head, b"X-Number: %d\r\n\r\n" % next(NUMBERS), *body])
    email = accepted(agent.post("/v1/test/inbound", content=raw))
    path = f"/v1/mailboxes/{email['mailbox_id']}/emails/{email['id']}/raw"
    assert agent.get(path).content == raw
    shown_everywhere(agent, email)


@SETTINGS
@given(raw=st.binary(min_size=1, max_size=300))
def test_any_bytes_are_kept(agent: httpx.Client, raw: bytes) -> None:
    raw = b"%d" % next(NUMBERS) + raw
    email = accepted(agent.post("/v1/test/inbound", content=raw))
    path = f"/v1/mailboxes/{email['mailbox_id']}/emails/{email['id']}/raw"
    assert agent.get(path).content == raw


@settings(SETTINGS, max_examples=40)
@given(head=st.lists(fields, max_size=6), body=bodies)
def test_any_message_can_be_answered_or_says_why_not(
    agent: httpx.Client, head: list[bytes], body: list[bytes]
) -> None:
    raw = b"".join([*head, b"X-Number: %d\r\n\r\n" % next(NUMBERS), *body])
    email = accepted(agent.post("/v1/test/inbound", content=raw))
    reply = {"email_id": email["id"], "body": f"Answer {next(NUMBERS)}", "reply_all": True}
    answer = agent.post("/reply_email", json=reply)
    assert answer.status_code == 202 or answer.json()["code"] == "no_reply_address", answer.text
