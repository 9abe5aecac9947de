"""Files that an agent sends: by handle, with their provenance, and to whom."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.tools.support import Connect, Inbox, decided, get_error_code, make_message

from multimail import ConfigurationError
from multimail.tools import Toolkit
from multimail.tools._enclosures import FileRegistry
from multimail.trust import Action, TrustPolicy

REPORT = b"%PDF-1.4 the report"
EVE = "eve@elsewhere.example"


def with_file(box: Inbox, *, proven: bool = True, **facts: Any) -> tuple[str, str]:
    """Receive a mail with a file; return the id of the mail and that of the file."""
    receive = box.receive_proven if proven else box.receive
    mail = receive(files={"invoice.pdf": REPORT}, **facts)
    return mail["id"], box.mail(mail["id"])["attachments"][0]["id"]


async def test_a_registered_file_leaves_as_it_was_when_it_was_registered(
    auto_box: Inbox, connect: Connect, tmp_path: Path
) -> None:
    tools, path = connect(auto_box), tmp_path / "report.pdf"
    path.write_bytes(REPORT)
    handle = tools.toolkit.register_file(path)
    path.write_bytes(b"another")
    arguments = {"to": ["ann@example.net"], "subject": "Report", "body": "Here.",
                 "attachments": [handle]}  # fmt: skip
    sent = await tools.call("send_email", arguments)
    assert sent.ok, sent.text
    (file,) = auto_box.mail(sent.data["id"])["attachments"]
    assert (file["name"], file["sha256"]) == ("report.pdf", hashlib.sha256(REPORT).hexdigest())
    assert file["origin"] is None
    again = arguments | {"attachments": [tools.toolkit.register_file(REPORT, name="report.pdf")]}
    assert (await tools.call("send_email", again)).data["duplicate"]
    other = arguments | {"attachments": [tools.toolkit.register_file(b"2", name="report.pdf")]}
    assert (await tools.call("send_email", other)).data["id"] != sent.data["id"]


async def test_a_file_of_one_conversation_is_none_of_another(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    handle = tools.toolkit.register_file(REPORT, name="report.pdf", session_id="one")
    arguments = {"to": "ann@example.net", "subject": "x", "body": "x", "attachments": [handle]}
    assert (await tools.call("send_email", arguments, "one")).ok
    assert get_error_code(await tools.call("send_email", arguments, "two")) == "no_such_file"
    tools.toolkit.reset("one")
    assert get_error_code(await tools.call("send_email", arguments, "one")) == "no_such_file"


@pytest.mark.parametrize(
    "named",
    ["/etc/passwd", "../key", "https://x.example/a.pdf", "invoice.pdf", "file_0", "att_0", "C:\\x"],
)
@pytest.mark.parametrize("tool", ["send_email", "reply_email"])
async def test_a_model_names_neither_a_path_nor_a_url(
    auto_box: Inbox, connect: Connect, named: str, tool: str
) -> None:
    mail, _ = with_file(auto_box)
    where = {"email_id": mail} if tool == "reply_email" else {"to": EVE, "subject": "x"}
    result = await connect(auto_box).call(tool, {**where, "body": "x", "attachments": [named]})
    assert get_error_code(result) == "no_such_file"
    assert auto_box.mails() == []


async def test_a_file_of_another_mailbox_does_not_exist(
    auto_box: Inbox, box: Inbox, connect: Connect
) -> None:
    _, file = with_file(box)
    result = await connect(auto_box)(
        "send_email", to="ann@example.com", subject="x", body="x", attachments=[file]
    )
    assert get_error_code(result) == "no_such_file"


async def test_a_received_file_goes_back_to_its_sender_and_to_others_by_a_human(
    auto_box: Inbox, connect: Connect
) -> None:
    tools, (mail, file) = connect(auto_box), with_file(auto_box)
    shown = await tools("read_email", email_id=mail)
    assert file in shown.text
    back = await tools("reply_email", email_id=mail, body="Signed.", attachments=[file])
    assert decided(back).action is Action.ALLOW
    (left,) = auto_box.left()
    assert (
        b"invoice.pdf"
        in auto_box.reviewer.get(f"/v1/mailboxes/{auto_box.id}/emails/{left['id']}/raw").content
    )
    other = await tools("send_email", to=EVE, subject="x", body="x", attachments=[file])
    assert (decided(other).action, other.data["held"]) == (Action.HOLD, True)
    assert "file_from_mail" in decided(other).codes
    both = await tools("reply_email", email_id=mail, body="2", cc=[EVE], attachments=[file])
    assert "file_from_mail" in decided(both).codes


@pytest.mark.parametrize("trusted", ["listed", "declared"])
async def test_even_a_trusted_recipient_gets_a_file_of_others_by_a_human_alone(
    auto_box: Inbox, connect: Connect, trusted: str
) -> None:
    policy = TrustPolicy(listed=[EVE] if trusted == "listed" else [])
    tools, (_, file) = connect(auto_box, policy=policy), with_file(auto_box)
    tools.toolkit.declare_recipients([EVE])
    sent = await tools("send_email", to=EVE, subject="x", body="x", attachments=[file])
    assert decided(sent).codes == ("file_from_mail",)
    assert decided(sent).label == "authenticated"


@pytest.mark.parametrize(
    ("cc", "action"),
    [("bob@example.com", Action.ALLOW), ("bob@partner.example", Action.HOLD)],
)
async def test_a_colleague_in_the_signed_copy_has_the_file_already(
    auto_box: Inbox, connect: Connect, cc: str, action: Action
) -> None:
    tools = connect(auto_box)
    _, file = with_file(auto_box, Cc=cc)
    tools.toolkit.declare_recipients([cc])
    sent = await tools("send_email", to=cc, subject="x", body="x", attachments=[file])
    assert decided(sent).action is action


@pytest.mark.parametrize(
    ("sender", "code", "action"),
    [
        ("ann@example.org", "file_from_mail", Action.HOLD),
        ("ceo@bank.com", "file_from_failed", Action.REFUSE),
    ],
)
async def test_a_file_of_unproven_mail_has_no_proven_owner(
    auto_box: Inbox, connect: Connect, sender: str, code: str, action: Action
) -> None:
    tools, (_, file) = connect(auto_box), with_file(auto_box, proven=False, sender=sender)
    tools.toolkit.declare_recipients([sender])
    sent = await tools("send_email", to=sender, subject="x", body="x", attachments=[file])
    assert (decided(sent).action, decided(sent).code) == (action, code)


async def test_a_file_that_was_sent_on_keeps_its_first_owner(
    auto_box: Inbox, connect: Connect
) -> None:
    tools, (mail, file) = connect(auto_box), with_file(auto_box)
    back = await tools("reply_email", email_id=mail, body="Signed.", attachments=[file])
    copy = auto_box.mail(back.data["id"])["attachments"][0]
    assert copy["origin"]["id"] == mail
    sent = await tools("send_email", to=EVE, subject="x", body="x", attachments=[copy["id"]])
    assert "file_from_mail" in decided(sent).codes


async def test_an_own_file_goes_after_mail_to_those_who_had_it_or_are_trusted(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    handle = tools.toolkit.register_file(REPORT, name="contract.pdf")
    first = await tools(
        "send_email", to="bob@example.net", subject="x", body="x", attachments=[handle]
    )
    auto_box.left()
    own = auto_box.mail(first.data["id"])["attachments"][0]["id"]
    mail = auto_box.receive_proven("Send me the contract that Bob has.")
    await tools("read_email", email_id=mail["id"])
    asked = await tools("reply_email", email_id=mail["id"], body="Here.", attachments=[own])
    assert "file_of_others" in decided(asked).codes
    tools.toolkit.declare_recipients(["ann@example.com"])
    wanted = await tools("reply_email", email_id=mail["id"], body="There.", attachments=[own])
    assert decided(wanted).action is Action.ALLOW


async def test_what_is_uploaded_again_is_recognised(auto_box: Inbox) -> None:
    mail, _ = with_file(auto_box)
    same = {"name": "a.bin", "content_base64": base64.b64encode(REPORT).decode()}
    with auto_box.server.http(auto_box.agent_key) as app:
        sent = app.post(
            f"/v1/mailboxes/{auto_box.id}/send",
            json={"to": [EVE], "subject": "x", "markdown": "x", "oversight_mode": "gated_send",
                  "attachments": [same]},
        ).raise_for_status().json()  # fmt: skip
    (file,) = auto_box.mail(sent["id"])["attachments"]
    assert file["origin"]["id"] == mail
    assert file["origin"]["from"] == "ann@example.com"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([{"id": "att_none"}], "not_found"),
        ([{"id": "att_none", "content_base64": "eA==", "name": "x"}], "invalid_request"),
        ([{"name": "x"}], "invalid_request"),
        ([{}], "invalid_request"),
    ],
)
async def test_the_server_names_what_is_wrong_with_a_file(
    auto_box: Inbox, files: list[Any], code: str
) -> None:
    body = {"to": [EVE], "subject": "x", "markdown": "x", "attachments": files}
    with auto_box.server.http(auto_box.agent_key) as app:
        refused = app.post(f"/v1/mailboxes/{auto_box.id}/send", json=body)
    assert refused.json()["code"] == code


async def test_stored_files_count_towards_the_limit(auto_box: Inbox, connect: Connect) -> None:
    auto_box.deliver(
        auto_box.signer(
            make_message(
                sender="ann@example.com",
                to=auto_box.address,
                files={"big.bin": b"\0" * (11 * 1024 * 1024)},
            )
        )
    )
    mail = auto_box.mails("inbound")[0]
    file = auto_box.mail(mail["id"])["attachments"][0]["id"]
    tools = connect(auto_box)
    more = tools.toolkit.register_file(b"\1" * (10 * 1024 * 1024), name="more.bin")
    result = await tools("reply_email", email_id=mail["id"], body="x", attachments=[file, more])
    assert get_error_code(result) == "attachments_too_large"
    assert auto_box.mails() == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"x", None),
        (b"x", "a/b"),
        ("/no/such/file", None),
        ("All is well.", "report.txt"),
        (None, "a.txt"),
        (b"x", "a\nb"),
    ],
)
def test_a_file_that_cannot_be_sent_is_not_registered(source: Any, name: str | None) -> None:
    with pytest.raises(ConfigurationError):
        Toolkit("mm_test_nobody").register_file(source, name=name)


def test_the_oldest_files_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimail.tools._enclosures.MAX_HELD_BYTES", 25)
    files = FileRegistry()
    first, *later = [files.register(b"x" * 10, f"{n}.txt", None) for n in range(3)]
    assert files.get(first, "") is None
    assert all(files.get(handle, "") for handle in later)
