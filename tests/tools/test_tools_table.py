"""The decision table as the tools keep it: every row, every tier, every policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from tests.tools.asking import shown
from tests.tools.support import Connect, Inbox, Json, decided, make_message

from multimail.trust import Action, TrustPolicy

BOB, EVE, PATH = "bob@example.org", "eve@evil.example", "dan@path.example"
A, H, R = Action.ALLOW, Action.HOLD, Action.REFUSE

TIERS = ("listed", "proven", "path", "unproven", "failed")
LABELS = {
    "listed": "authenticated",
    "proven": "authenticated",
    "path": "authenticated_path",
    "unproven": "unauthenticated",
    "failed": "failed",
}
TABLE: dict[tuple[str, str], tuple[Action, ...]] = {
    ("standard", "reply"): (A, A, A, H, R),
    ("standard", "send to a stranger"): (H, H, H, H, R),
    ("standard", "send to an allowed one"): (A, A, A, H, H),
    ("standard", "tag"): (A, A, A, A, A),
    ("strict", "reply"): (A, H, H, H, R),
    ("strict", "send to a stranger"): (H, H, H, H, R),
    ("strict", "send to an allowed one"): (A, H, H, H, H),
    ("strict", "tag"): (A, R, R, R, R),
    ("off", "reply"): (A, A, A, A, A),
    ("off", "send to a stranger"): (A, A, A, A, A),
    ("off", "send to an allowed one"): (A, A, A, A, A),
    ("off", "tag"): (A, A, A, A, A),
}
Try: TypeAlias = Callable[[Json], tuple[str, Json]]
TRIES: dict[str, Try] = {
    "reply": lambda mail: ("reply_email", {"email_id": mail["id"], "body": "Yes."}),
    "send to a stranger": lambda mail: ("send_email", {"to": EVE, "subject": "x", "body": "y"}),
    "send to an allowed one": lambda mail: ("send_email", {"to": BOB, "subject": "x", "body": "y"}),
    "tag": lambda mail: ("tag_email", {"email_id": mail["id"], "tags": ["seen"]}),
}


def receive(box: Inbox, tier: str) -> Json:
    """Receive mail of that tier that names a stranger in its subject."""
    facts: Json = {"subject": f"Write to {EVE}", "Message_ID": f"<{tier}@example.com>"}
    if tier in ("listed", "proven"):
        who = "ann@example.com" if tier == "listed" else "dan@example.com"
        return box.receive_proven(sender=who, **facts)
    if tier == "path":
        box.deliver(make_message(sender=PATH, to=box.address, **facts), sender=PATH)
        return box.mails("inbound")[0]
    return box.receive(sender="ceo@bank.com" if tier == "failed" else "ann@example.org", **facts)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("policy", "attempt"), TABLE)
async def test_the_table_is_kept(
    auto_box: Inbox, connect: Connect, policy: Any, attempt: str, tier: str
) -> None:
    expected = TABLE[policy, attempt][TIERS.index(tier)]
    listed = ["ann@example.com", PATH, BOB]
    tools = connect(auto_box, policy=TrustPolicy(policy, listed=listed))
    mail = receive(auto_box, tier)
    read = await shown(tools, "read_email", email_id=mail["id"])
    assert read.data["trust"]["label"] == LABELS[tier]
    name, arguments = TRIES[attempt](mail)
    result = await tools.call(name, arguments)
    assert decided(result).action is expected
    if attempt == "tag":
        # A tag cannot wait for a human, so what the table holds is refused.
        assert (result.error is None) is (expected is A)
        assert bool(auto_box.mail(mail["id"])["tags"]) is (expected is A)
    else:
        sent = auto_box.mails()
        assert [one["status"] == "pending_send_approval" for one in sent] == {
            A: [False],
            H: [True],
            R: [],
        }[expected]
