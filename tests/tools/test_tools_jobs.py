"""Ordinary jobs of an agent in an autonomous mailbox: who has to be asked, and for what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.tools.support import Connect, Inbox, decided

from multimail.trust import Action, TrustPolicy

FREE, HOLD, REFUSE = Action.ALLOW, Action.HOLD, Action.REFUSE
ANN = "ann@example.com"


@dataclass(frozen=True)
class Job:
    """A job: the mail that is read, what the agent then does, and what may happen.

    Attributes:
        name: The job.
        wanted: What the guard says.
        mail: The mail that is answered; signed unless `signed` is false.
        signed: Whether example.com signed it.
        also: Mail that is in the inbox too.
        opened: Whether the agent opens that as well.
        call: The tool and its arguments; `{id}` is the message's id.
        declared: Addresses of the user's own words.
        policy: The operator's settings.
    """

    name: str
    wanted: Action
    mail: Mapping[str, Any] = field(default_factory=dict)
    signed: bool = True
    also: Mapping[str, Any] | None = None
    opened: bool = False
    call: tuple[str, Mapping[str, Any]] = ("reply_email", {"body": "Thank you."})
    declared: tuple[str, ...] = ()
    policy: TrustPolicy = field(default_factory=TrustPolicy)


def writing(to: str, body: str = "As agreed.") -> tuple[str, Mapping[str, Any]]:
    return "send_email", {"to": [to], "subject": "Order 7", "body": body}


TO_ALL = ("reply_email", {"body": "Thank you.", "reply_all": True})
SPAM = {"sender": "ceo@bank.com", "subject": "Act now"}
JOBS = (
    Job("a customer asks", FREE),
    Job("her colleague is in Cc", FREE, {"Cc": "bob@sales.example.com"}, call=TO_ALL),
    Job("somebody of another firm is in Cc", HOLD, {"Cc": "eve@example.net"}, call=TO_ALL),
    Job("a ticket system's Reply-To", FREE, {"Reply_To": "t1@desk.example.com"}),
    Job("a contact form's Reply-To", HOLD, {"Reply_To": "bob@elsewhere.example"}),
    Job(
        "a contact form that the operator listed",
        FREE,
        {"Reply_To": "bob@elsewhere.example", "sender": "form@example.com"},
        policy=TrustPolicy(contact_forms=["form@example.com"]),
    ),
    Job("a firm whose system marks all mail as a list's", FREE, {"List_Id": "<all.example.com>"}),
    Job("a newsletter's author", FREE, {"Precedence": "bulk"}),
    Job("a posting to a list", HOLD, {"List_Id": "<ann.example.com>"}),
    Job("an automatic answer", REFUSE, {"Auto_Submitted": "auto-replied"}),
    Job("an absent person", HOLD, {"X_Autoreply": "yes"}),
    Job("an unsigned customer", HOLD, signed=False),
    Job("a forged sender", REFUSE, {"sender": "ceo@bank.com"}, signed=False),
    Job("a new mail to the customer", FREE, call=writing(ANN)),
    Job("a new mail to her colleague", FREE, call=writing("bob@example.com")),
    Job("a mail to somebody whom the mail named", HOLD, call=writing("eve@example.net")),
    Job(
        "a mail to somebody whom the user named",
        FREE,
        call=writing("eve@example.net"),
        declared=("eve@example.net",),
    ),
    Job("spam beside her mail", FREE, also=SPAM),
    Job("spam beside her mail, opened", HOLD, also=SPAM, opened=True),
    Job("unsigned mail beside hers", FREE, also={"subject": "Question"}),
    Job("a tag", FREE, call=("tag_email", {"tags": ["done"]})),
)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
async def test_a_job_asks_a_human_only_where_it_must(
    auto_box: Inbox, connect: Connect, job: Job
) -> None:
    if job.also is not None:
        auto_box.receive(**job.also)
    receive = auto_box.receive_proven if job.signed else auto_box.receive
    mail = receive("Where is order 7? Please tell eve@example.net.", **job.mail)
    tools = connect(auto_box, policy=job.policy)
    tools.toolkit.declare_recipients(job.declared)
    listed = await tools.call("check_inbox", {"direction": "inbound"})
    ids = [row["id"] for row in listed.data["emails"]] if job.opened else [mail["id"]]
    for email_id in ids:
        assert (await tools.call("read_email", {"email_id": email_id})).ok
    name, arguments = job.call
    about = {} if name == "send_email" else {"email_id": mail["id"]}
    result = await tools.call(name, {**arguments, **about})
    assert decided(result).action is job.wanted, decided(result).reasons
