"""The guard on single messages: one decision, and one text for the model, in every framework."""

from __future__ import annotations

import pytest
from tests.conformance.driver import Driver
from tests.conformance.guarding import (
    BODY,
    REPLY,
    accepted,
    decision,
    guarded,
    held,
    in_the_core,
    read,
    refused,
    reply,
    send,
    waits,
)
from tests.tools.support import Inbox

from multimail.trust import TrustPolicy

# CrewAI warns of its own arguments.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:crewai\..*")

UNPROVEN = ("sender_unauthenticated", "no signature")
TAINTED = ("tainted_unauthenticated",)
STRANGER = ("recipient_from_mail", "1 address", "eve@example.net")


def test_guard_authenticated(driver: Driver, auto_box: Inbox) -> None:
    """Proven mail is read and answered: `allow`, and the reply leaves."""
    mail, agent = auto_box.receive_proven(BODY), guarded(driver, auto_box)
    shown, sent = agent.run(read(mail), reply(mail))
    assert agent.decided() == decision(
        "allow", "reply_email", "authenticated", message_id=mail["id"]
    )
    assert shown == in_the_core(auto_box, read(mail))
    assert "\nSender authenticated: " in shown
    assert sent == accepted("ann@example.com")
    assert [message["recipients"] for message in auto_box.left()] == [["ann@example.com"]]


def test_guard_unauthenticated(driver: Driver, auto_box: Inbox) -> None:
    """Mail without proof is answered: `hold`, with the reasons for the reviewer; nothing leaves."""
    mail, agent = auto_box.receive(BODY), guarded(driver, auto_box)
    shown, sent = agent.run(read(mail), reply(mail))
    expected = decision("hold", "reply_email", "unauthenticated", UNPROVEN, message_id=mail["id"])
    assert agent.decided() == expected
    assert shown == in_the_core(auto_box, read(mail))
    assert "\nSender unauthenticated: " in shown
    assert sent == held("ann@example.org", expected)
    waits(auto_box, expected)


def test_guard_failed(driver: Driver, auto_box: Inbox) -> None:
    """A forgery is shown without its body, and is not answered: `refuse`."""
    mail = auto_box.receive(BODY, sender="ceo@bank.com", files={"invoice.txt": BODY})
    agent = guarded(driver, auto_box)
    fetch = "download_attachment", {"email_id": mail["id"], "filename": "invoice.txt"}
    shown, file, sent = agent.run(read(mail), fetch, reply(mail))
    why = "DMARC fail: the policy of bank.com is reject"
    kept, decisions = agent.decisions
    assert kept == decision(
        "refuse", "download_attachment", "failed", ("sender_failed", why), message_id=mail["id"]
    )
    assert decisions == decision(
        "refuse",
        "reply_email",
        "failed",
        ("sender_failed", why),
        message_id=mail["id"],
    )
    assert shown == in_the_core(auto_box, read(mail))
    assert file == in_the_core(auto_box, fetch)
    assert BODY not in shown + file
    assert sent == refused(REPLY, decisions)
    assert auto_box.mails() == []


def test_guard_listed(driver: Driver, auto_box: Inbox) -> None:
    """The operator lists a sender's domain: `allow` even in `strict`, standing `listed`."""
    policy = TrustPolicy("strict", listed=["example.com"])
    mail, agent = auto_box.receive_proven(BODY), guarded(driver, auto_box, policy=policy)
    shown, sent = agent.run(read(mail), reply(mail))
    assert agent.decided() == decision(
        "allow",
        "reply_email",
        "authenticated",
        message_id=mail["id"],
        standing="listed",
        policy="strict",
    )
    assert shown == in_the_core(auto_box, read(mail), policy=policy)
    assert "The operator lists this sender." in shown
    assert sent == accepted("ann@example.com")
    assert len(auto_box.left()) == 1


def test_guard_reply_to(driver: Driver, auto_box: Inbox) -> None:
    """Proven mail whose Reply-To is another address than its From: `hold`."""
    mail = auto_box.receive_proven(BODY, Reply_To="eve@example.net")
    agent = guarded(driver, auto_box)
    _, sent = agent.run(read(mail), reply(mail))
    expected = decision(
        "hold",
        "reply_email",
        "authenticated",
        ("reply_to_differs", "", "eve@example.net"),
        message_id=mail["id"],
    )
    assert agent.decided() == expected
    assert sent == held("eve@example.net", expected)
    waits(auto_box, expected)


def test_guard_automatic(driver: Driver, auto_box: Inbox) -> None:
    """Automatic mail is not answered: `refuse`; what reaches a mailing list waits: `hold`."""
    robot = auto_box.receive_proven(BODY, Auto_Submitted="auto-replied")
    posting = auto_box.receive_proven(BODY, List_Id="<ann.example.com>")
    agent = guarded(driver, auto_box)
    to_robot, to_list = agent.run(reply(robot), reply(posting))
    first, second = agent.decisions
    assert first == decision(
        "refuse",
        "reply_email",
        "authenticated",
        ("auto_submitted",),
        message_id=robot["id"],
    )
    assert second == decision(
        "hold",
        "reply_email",
        "authenticated",
        ("mailing_list",),
        message_id=posting["id"],
    )
    assert to_robot == refused(REPLY, first)
    assert to_list == held("ann@example.com", second)
    assert len(auto_box.mails()) == 1
    waits(auto_box, second)


def test_guard_reply_all(driver: Driver, auto_box: Inbox) -> None:
    """Proven mail with a stranger in Cc, answered to all: `hold`; to its sender alone: `allow`."""
    mail, agent = auto_box.receive_proven(BODY, Cc="eve@example.net"), guarded(driver, auto_box)
    _, to_all = agent.run(read(mail), reply(mail, reply_all=True))
    expected = decision("hold", "reply_email", "authenticated", STRANGER, message_id=mail["id"])
    assert agent.decided() == expected
    assert to_all == held("ann@example.com", expected)
    waits(auto_box, expected)
    (to_one,) = agent.run(reply(mail))
    assert agent.decided().action == "allow"
    assert to_one == accepted("ann@example.com")


def test_guard_strict(driver: Driver, auto_box: Inbox) -> None:
    """In `strict`, a reply to proven mail is a `hold`, and a body without proof is withheld."""
    proven, unproven = auto_box.receive_proven(BODY), auto_box.receive(BODY)
    agent = guarded(driver, auto_box, policy="strict")
    first, second, sent = agent.run(read(proven), read(unproven), reply(proven))
    expected = decision(
        "hold",
        "reply_email",
        "authenticated",
        ("sender_not_listed",),
        TAINTED,
        message_id=proven["id"],
        policy="strict",
    )
    assert agent.decided() == expected
    assert first == in_the_core(auto_box, read(proven), policy="strict")
    assert second == in_the_core(auto_box, read(unproven), policy="strict")
    assert (BODY in first, BODY in second) == (True, False)
    assert sent == held("ann@example.com", expected)
    waits(auto_box, expected, "unauthenticated")


def test_guard_off(driver: Driver, auto_box: Inbox) -> None:
    """Code turns the guard off, and even a forgery is answered; a model's argument cannot."""
    mail = auto_box.receive(BODY, sender="ceo@bank.com")
    agent = guarded(driver, auto_box)
    results, sent = agent.run(reply(mail, policy="off"), reply(mail))
    assert agent.decided().action == "refuse"
    assert "policy" in results
    assert sent.startswith("Error (refused_by_guard)")
    assert auto_box.mails() == []
    open_agent = guarded(driver, auto_box, policy="off")
    shown, sent = open_agent.run(read(mail), reply(mail))
    assert open_agent.decided() == decision(
        "allow", "reply_email", "failed", message_id=mail["id"], policy="off"
    )
    assert BODY in shown
    assert sent == accepted("ceo@bank.com")
    assert len(auto_box.left()) == 1


def colleague(name: str) -> str:
    """Return the address of a colleague.

    Args:
        name: The colleague's first name.
    """
    return f"{name}@example.net"


def test_guard_own_tools(driver: Driver, auto_box: Inbox) -> None:
    """Beside the application's own tool: the same decisions; its output approves nothing."""
    driver.own.append(colleague)
    mail, agent = auto_box.receive(BODY), guarded(driver, auto_box)
    run = driver.run(
        agent.toolkit,
        read(mail),
        ("colleague", {"name": "bob"}),
        send("bob@example.net"),
        reply(mail),
    )
    assert "colleague" in run.offered
    assert run.texts[1] == "bob@example.net"
    first, second = agent.decisions
    bob = ("recipient_from_mail", "1 address", "bob@example.net")
    assert first == decision("hold", "send_email", "unauthenticated", bob, TAINTED)
    assert second == decision(
        "hold", "reply_email", "unauthenticated", UNPROVEN, message_id=mail["id"]
    )
    assert len(auto_box.mails()) == 2
    waits(auto_box, second)
