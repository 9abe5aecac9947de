"""Loops and detours: mail of machines and of lists, and mail whose answer goes elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tools.asking import shown
from tests.tools.support import Box, Connect, Json, Tools, code_of, decided

from multimail.trust import Action, TrustPolicy

LISTED = TrustPolicy(listed=["example.com"])


async def answered(tools: Tools, mail: Json, **more: Any) -> tuple[Action, tuple[str, ...]]:
    """Return what the guard says to a reply."""
    result = await tools("reply_email", email_id=mail["id"], body="Thanks.", **more)
    decision = decided(result)
    assert decision.message_id == mail["id"]
    return decision.action, decision.codes


@pytest.mark.parametrize(
    "keyword", ["auto-replied", "auto-generated", "auto-notified", "Auto-Replied; x=y", "whatever"]
)
async def test_what_a_machine_wrote_is_not_answered(
    free_box: Box, connect: Connect, keyword: str
) -> None:
    mail = free_box.receive_proven(Auto_Submitted=keyword)
    result = await connect(free_box)("reply_email", email_id=mail["id"], body="Thanks.")
    assert code_of(result) == "refused_by_guard"
    assert "a program sent it (Auto-Submitted)" in result.text
    assert decided(result).codes == ("auto_submitted",)
    assert free_box.mails() == []


@pytest.mark.parametrize("keyword", ["no", "No", " no ", "no; by=hand"])
async def test_what_says_that_no_machine_wrote_it_is_answered(
    free_box: Box, connect: Connect, keyword: str
) -> None:
    mail = free_box.receive_proven(Auto_Submitted=keyword)
    assert await answered(connect(free_box), mail) == (Action.ALLOW, ())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"List_Id": "Talk <talk.example.com>"}, "mailing_list"),
        ({"Precedence": "bulk"}, "bulk_mail"),
        ({"Precedence": "LIST"}, "bulk_mail"),
        ({"Precedence": "junk"}, "bulk_mail"),
    ],
)
async def test_mail_to_many_is_answered_by_a_humans_leave(
    free_box: Box, connect: Connect, headers: dict[str, str], code: str
) -> None:
    mail, tools = free_box.receive_proven(**headers), connect(free_box, policy=LISTED)
    assert await answered(tools, mail) == (Action.HOLD, (code,))
    (held,) = free_box.mails()
    assert held["status"] == "pending_send_approval"


async def test_first_class_mail_is_answered(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive_proven(Precedence="first-class")
    assert await answered(connect(free_box), mail) == (Action.ALLOW, ())


@pytest.mark.parametrize("spelling", [str, str.upper])
async def test_mail_in_ones_own_name_is_not_answered(
    free_box: Box, connect: Connect, spelling: Any
) -> None:
    mail, tools = free_box.receive(sender=spelling(free_box.address)), connect(free_box)
    action, codes = await answered(tools, mail)
    assert action is Action.REFUSE
    assert codes[0] == "own_mail"
    assert free_box.mails() == []


async def test_a_tag_of_oneself_is_oneself(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive(sender=free_box.address.replace("@", "+list@"))
    action, codes = await answered(connect(free_box), mail)
    assert (action, codes[0]) == (Action.REFUSE, "own_mail")


async def test_another_reply_to_is_a_detour(free_box: Box, connect: Connect) -> None:
    mail, tools = free_box.receive_proven(Reply_To="eve@evil.example"), connect(free_box)
    await shown(tools, "read_email", email_id=mail["id"])
    assert await answered(tools, mail) == (Action.HOLD, ("reply_to_differs",))
    held = free_box.mail(free_box.mails()[0]["id"])
    assert held["to"] == ["eve@evil.example"]
    assert held["metadata"]["guard_code"] == "reply_to_differs"
    assert held["metadata"]["guard_reasons"] == "Reply-To is not the address in From"


async def test_the_operators_list_does_not_excuse_a_detour(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive_proven(Reply_To="bob@example.com")
    tools = connect(free_box, policy=LISTED)
    assert await answered(tools, mail) == (Action.HOLD, ("reply_to_differs",))


@pytest.mark.parametrize("reply_to", ["ann@example.com", "Ann <ANN@Example.com>"])
async def test_a_reply_to_that_is_the_sender_is_none(
    free_box: Box, connect: Connect, reply_to: str
) -> None:
    mail = free_box.receive_proven(Reply_To=reply_to)
    assert await answered(connect(free_box), mail) == (Action.ALLOW, ())


async def test_one_of_several_reply_to_is_a_detour(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive_proven(Reply_To="ann@example.com, eve@evil.example")
    assert await answered(connect(free_box), mail) == (Action.HOLD, ("reply_to_differs",))


async def test_a_tagged_reply_to_is_another_address(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive_proven(Reply_To="ann+x@example.com")
    assert await answered(connect(free_box), mail) == (Action.HOLD, ("reply_to_differs",))


async def test_every_objection_is_told_the_gravest_first(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive(
        List_Id="<talk.example.org>", Auto_Submitted="auto-replied", Reply_To="eve@evil.example"
    )
    result = await connect(free_box)(
        "reply_email", email_id=mail["id"], body="Thanks.", cc="bob@example.org"
    )
    assert decided(result).codes == (
        "auto_submitted",
        "sender_unauthenticated",
        "reply_to_differs",
        "mailing_list",
        "recipient_from_mail",
    )
    assert len(decided(result).reasons) == 5


async def test_off_answers_everybody(free_box: Box, connect: Connect) -> None:
    mail = free_box.receive(Auto_Submitted="auto-replied", Precedence="bulk")
    assert await answered(connect(free_box, policy="off"), mail) == (Action.ALLOW, ())


async def test_two_machines_that_hide_it_are_stopped_by_the_cap(
    free_box: Box, connect: Connect
) -> None:
    tools = connect(free_box, policy=TrustPolicy(sends_per_thread=3))
    first = free_box.receive_proven("Ping.", Message_ID="<first@example.com>")
    actions = [(await answered(tools, first))[0]]
    for number in range(4):
        mail = free_box.receive_proven(f"Ping {number}.", References="<first@example.com>")
        assert mail["thread_id"] == first["thread_id"]
        actions.append((await answered(tools, mail))[0])
    assert actions == [Action.ALLOW] * 3 + [Action.REFUSE] * 2
    assert len(free_box.mails()) == 3
