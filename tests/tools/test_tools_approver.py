"""The approver's tools: who may decide, on what, and only after having seen all of it."""

from __future__ import annotations

from tests.tools.support import (
    Connect,
    Fault,
    FaultyTransport,
    Inbox,
    Tools,
    answer,
    fenced,
    get_error_code,
    ids,
)

from multimail.tools import ApproverToolkit, Toolkit
from multimail_server.testing.server import ServerUnderTest


async def held(tools: Tools, body: str = "It is ready.", **more: object) -> str:
    """Send something that a human has to decide on; return its id."""
    arguments = {"to": ["ann@example.org"], "subject": "Offer", "body": body, **more}
    sent = await tools.call("send_email", arguments)
    assert sent.data["held"], sent.text
    found: str = sent.data["id"]
    return found


async def test_approved_mail_leaves(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box))
    approver = connect.approver(box)
    queue = await approver("list_pending")
    assert ids(queue.data["pending"]) == [email_id]
    assert "Offer" in fenced(queue.text)
    assert "It is ready." in fenced((await approver("read_email", email_id=email_id)).text)
    result = await approver("decide_email", email_id=email_id, decision="approve")
    assert result.text == f"{email_id} was approved; its status is sent."
    assert result.data == {"id": email_id, "decision": "approve", "status": "sent"}
    assert ids(box.left()) == [email_id]


async def test_rejected_mail_stays_and_its_author_gets_the_reason(
    box: Inbox, connect: Connect
) -> None:
    email_id = await held(connect(box))
    approver = connect.approver(box)
    await approver("read_email", email_id=email_id)
    result = await approver(
        "decide_email", email_id=email_id, decision="reject", reason="No prices."
    )
    assert result.data["status"] == "rejected"
    assert box.mail(email_id)["decision_reason"] == "No prices."
    assert box.left() == []


async def test_the_thread_is_there_to_judge_by(box: Inbox, connect: Connect) -> None:
    mail = box.receive("What does it cost?")
    reply = await connect(box)("reply_email", email_id=mail["id"], body="Nothing.")
    approver = connect.approver(box)
    await approver("list_pending")
    result = await approver("get_thread", thread_id=mail["thread_id"])
    assert ids(result.data["messages"]) == [mail["id"], reply.data["id"]]
    assert "What does it cost?" in fenced(result.text)


async def test_unseen_mail_cannot_be_decided(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box))
    approver = connect.approver(box)
    await approver("list_pending")
    result = await approver("decide_email", email_id=email_id, decision="approve")
    assert get_error_code(result) == "not_seen"
    await approver("read_email", email_id=email_id, session_id="monday")
    other = await approver(
        "decide_email", email_id=email_id, decision="approve", session_id="tuesday"
    )
    assert get_error_code(other) == "not_seen"
    assert box.left() == []


async def test_a_long_mail_has_to_be_read_to_its_end(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box), "line of text\n" * 300)
    approver = connect.approver(box, max_chars=1000)
    decide = {"email_id": email_id, "decision": "approve"}
    page = await approver("read_email", email_id=email_id)
    while page.data["next_offset"] is not None:
        assert get_error_code(await approver.call("decide_email", decide)) == "not_seen"
        page = await approver("read_email", email_id=email_id, offset=page.data["next_offset"])
    assert (await approver.call("decide_email", decide)).ok
    assert ids(box.left()) == [email_id]


async def test_looking_at_the_end_alone_is_not_reading(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box), "line of text\n" * 300)
    approver = connect.approver(box, max_chars=1000)
    await approver("read_email", email_id=email_id)
    for offset in (10**9, 3800, 3000):
        await approver("read_email", email_id=email_id, offset=offset)
    result = await approver("decide_email", email_id=email_id, decision="approve")
    assert get_error_code(result) == "not_seen"
    assert box.left() == []


async def test_what_is_to_be_decided_on_is_shown_whole(box: Inbox, connect: Connect) -> None:
    body = "Fine.\n\nOn Monday Ann wrote:\n> the password is hunter2"
    many = [f"person-{number}@example.org" for number in range(50)]
    email_id = await held(connect(box), body, cc=many, bcc=["spy@example.net"])
    approver = connect.approver(box, max_chars=1000)
    page = await approver("read_email", email_id=email_id)
    shown = fenced(page.text).partition("\n\n")[0]
    while True:
        # An address may go on from one page to the next, and every page repeats the headers.
        shown += fenced(page.text).partition("\n\n")[2]
        if page.data["next_offset"] is None:
            break
        page = await approver("read_email", email_id=email_id, offset=page.data["next_offset"])
    assert "hunter2" in shown
    assert "spy@example.net" in shown
    assert all(address in shown.replace("\n", "") for address in many[:3] + many[-3:])


async def test_another_decision_came_first(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box))
    approver = connect.approver(box)
    await approver("read_email", email_id=email_id)
    box.decide(email_id, "reject")
    result = await approver("decide_email", email_id=email_id, decision="approve")
    assert get_error_code(result) == "already_decided"
    assert box.left() == []


async def test_the_same_decision_again_is_no_error(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box))
    approver = connect.approver(box)
    await approver("read_email", email_id=email_id)
    for _ in range(2):
        assert (await approver("decide_email", email_id=email_id, decision="approve")).ok
    assert len(box.left()) == 1


async def test_a_message_that_changed_has_to_be_read_again(box: Inbox, connect: Connect) -> None:
    monday, tuesday = "2027-03-01T09:00:00Z", "2027-03-02T09:00:00Z"
    email_id = await held(connect(box), send_at=monday)
    approver = connect.approver(box)
    decide = {"email_id": email_id, "decision": "approve"}
    await approver("read_email", email_id=email_id)
    with box.server.http(box.agent_key) as author:
        path = f"/v1/mailboxes/{box.id}/emails/{email_id}/schedule"
        author.patch(path, json={"send_at": tuesday}).raise_for_status()
    assert get_error_code(await approver.call("decide_email", decide)) == "content_changed"
    assert box.mail(email_id)["status"] == "pending_send_approval"
    assert "2027-03-02" in (await approver("read_email", email_id=email_id)).text
    assert (await approver.call("decide_email", decide)).data["status"] == "scheduled"


async def test_a_key_that_can_send_decides_nothing(box: Inbox, connect: Connect) -> None:
    email_id = await held(connect(box))
    sneaky = connect.approver(box, key=box.agent_key)
    for name, arguments in (
        ("list_pending", {}),
        ("read_email", {"email_id": email_id}),
        ("get_thread", {"thread_id": "thr_1"}),
        ("decide_email", {"email_id": email_id, "decision": "approve"}),
    ):
        assert get_error_code(await sneaky.call(name, arguments)) == "key_can_send"
    assert box.left() == []


async def test_the_key_is_asked_about_once(box: Inbox, connect: Connect) -> None:
    approver = connect.approver(box)
    for _ in range(3):
        await approver("list_pending")
    paths = [one.url.path for one in approver.way.requests]
    assert paths.count("/v1/account") == 1


async def test_a_key_that_could_not_be_asked_about_decides_nothing(
    box: Inbox, connect: Connect
) -> None:
    email_id = await held(connect(box))
    way = FaultyTransport(
        [Fault(answer(503))] * 8, lambda request: request.url.path == "/v1/account"
    )
    approver = connect.approver(box, way=way)
    await approver("read_email", email_id=email_id)
    result = await approver("decide_email", email_id=email_id, decision="approve")
    assert not result.ok
    assert box.left() == []


async def test_a_queue_is_not_for_a_key_without_the_scope(box: Inbox, connect: Connect) -> None:
    agent = connect(box)
    await held(agent)
    assert "decide_email" not in {spec.name for spec in agent.toolkit.specs}
    assert "send_email" not in {spec.name for spec in ApproverToolkit(box.agent_key).specs}


def test_what_a_json_result_left_out_was_not_seen(
    box: Inbox, server_fixture: ServerUnderTest
) -> None:
    agent = Toolkit(box.agent_key, base_url=server_fixture.url)
    sent = agent.call("send_email", {"to": "a@b.test", "subject": "Q", "body": 'x"' * 2500})
    held, approver = sent.data["id"], ApproverToolkit(box.reviewer_key, base_url=server_fixture.url)
    read = approver.spec("read_email")
    result, text = approver.session.call_json(read, {"email_id": held})
    assert len(text) <= 8000
    assert result.data["next_offset"] is not None
    decide = approver.spec("decide_email")
    refused, _ = approver.session.call_json(decide, {"email_id": held, "decision": "approve"})
    assert refused.error is not None
    assert refused.error.code == "not_seen"
    agent.close()
    approver.close()
