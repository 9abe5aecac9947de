"""What small models write: it is read as what it means, where it can mean one thing only."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest
from tests.tools.support import (
    AT_ONCE,
    Connect,
    Fault,
    FaultyTransport,
    Inbox,
    answer,
    get_error_code,
)

from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS, ToolSpec
from multimail.tools._repeats import MAX_REMEMBERED

SPECS = {f"{spec.access}-{spec.name}": spec for spec in [*AGENT_TOOLS, *APPROVER_TOOLS]}
EMPTY: list[Any] = [None, "", " \n", '""', "''", "null", "None", "[]", [], [""], [None], {}]
SEND: dict[str, Any] = {"to": ["ann@example.org"], "subject": "Hi", "body": "Hello."}
LATE: dict[str, Any] = {**SEND, "send_at": "tomorrow"}
ID = "msg_01M7Y97Z259NKR04M4PFEJVRB5"


def spec_of(name: str) -> ToolSpec:
    return next(spec for spec in SPECS.values() if spec.name == name)


def read(spec: ToolSpec, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as the tool gets them; an empty list is none."""
    given = spec.args.model_validate(arguments).model_dump()
    return {name: None if value == [] else value for name, value in given.items()}


def needed(spec: ToolSpec) -> dict[str, Any]:
    """Return one value for each argument that must be given."""
    shapes = spec.schema()["properties"]
    values: dict[str, Any] = {"array": ["a@example.org"], "string": ID}
    return {
        name: shapes[name].get("enum", [values[shapes[name]["type"]]])[0]
        for name in spec.schema().get("required", ())
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_an_empty_optional_argument_is_not_given(spec: ToolSpec) -> None:
    plain = read(spec, needed(spec))
    for name in spec.list_optional():
        for empty in EMPTY:
            assert read(spec, {**needed(spec), name: empty}) == plain, (name, empty)
    everything = dict.fromkeys(spec.list_optional(), "")
    assert read(spec, {**needed(spec), **everything, "no_such_argument": ""}) == plain


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("empty", [None, "", " ", [], [""], [None]], ids=repr)
async def test_an_empty_required_argument_is_refused(
    box: Inbox, connect: Connect, spec: ToolSpec, empty: Any
) -> None:
    tools = connect.approver(box) if spec.access == "approve" else connect(box)
    for name in needed(spec):
        result = await tools.call(spec.name, {**needed(spec), name: empty})
        assert get_error_code(result) in ("invalid_arguments", f"invalid_{name}")
        assert f"{name}: " in result.text
    assert box.mails() == []


@pytest.mark.parametrize(
    ("name", "argument", "written", "meant"),
    [
        ("check_inbox", "limit", 0, None),
        ("check_inbox", "limit", "0", None),
        ("check_inbox", "limit", "`5`", 5),
        ("check_inbox", "limit", " 5 ", 5),
        ("check_inbox", "unread_only", "True ", True),
        ("check_inbox", "unread_only", '"false"', False),
        ("check_inbox", "unread_only", "N/A", None),
        ("check_inbox", "direction", "Inbound", "inbound"),
        ("check_inbox", "direction", "any", None),
        ("check_inbox", "cursor", 0, None),
        ("check_inbox", "cursor", False, None),
        ("check_inbox", "cursor", "cursor: abc==", "abc=="),
        ("check_inbox", "cursor", "abc==", "abc=="),
        ("check_inbox", "sender", '"Ann, B." <ann@example.org>', "ann@example.org"),
        ("check_inbox", "sender", "from: `ann@example.org`", "ann@example.org"),
        ("check_inbox", "date_after", "undefined", None),
        ("check_inbox", "date_after", "'2026-01-31T09:00:00Z'", "2026-01-31T09:00:00Z"),
        ("check_inbox", "date_after", "2026-01-31", "2026-01-31T00:00:00Z"),
        ("check_inbox", "date_before", "2026-01-31 09:00+01:00", "2026-01-31 09:00+01:00"),
        ("check_inbox", "subject_contains", "none", "none"),
        ("check_inbox", "subject_contains", '"urgent"', '"urgent"'),
        ("check_inbox", "subject_contains", "0", "0"),
        ("check_inbox", "mailbox", "<a@example.org>", "a@example.org"),
        ("wait_for_email", "timeout_seconds", 0, 0.0),
        ("wait_for_email", "timeout_seconds", "0", 0.0),
        ("wait_for_email", "since_id", "none", None),
        ("wait_for_email", "since_id", f"id={ID}", ID),
        ("send_email", "send_at", "now", None),
        ("send_email", "send_at", 0, None),
        ("send_email", "subject", "null", "null"),
        ("send_email", "body", '"quoted"', '"quoted"'),
        ("add_contact", "name", "Null", "Null"),
        ("add_contact", "email", "[ann@example.org](mailto:ann@example.org)", "ann@example.org"),
        ("download_attachment", "filename", '"a b.pdf"', "a b.pdf"),
        ("download_attachment", "filename", "it's.pdf", "it's.pdf"),
        ("decide_email", "decision", " Approve ", "approve"),
        ("mark_email", "mark", "Archive", "archived"),
        ("mark_email", "email_ids", [{"id": ID}], [ID]),
        ("read_email", "email_id", [ID], ID),
        ("read_email", "email_id", {"email_id": ID}, ID),
        ("read_email", "email_id", f"[{ID}](https://x.example)", ID),
    ],
)
def test_a_value_is_read_as_what_it_means(
    name: str, argument: str, written: Any, meant: Any
) -> None:
    spec = spec_of(name)
    assert read(spec, {**needed(spec), argument: written})[argument] == meant


@pytest.mark.parametrize(
    "written",
    [
        *(f" {ID}\n", f'"{ID}"', f"'{ID}'", f"`{ID}`", f"“{ID}”", f"<{ID}>", f"[{ID}]", f"({ID})"),
        *(f"email_id: {ID}", f"id={ID}", f"Email ID: `{ID}`", f"email_id {ID}", f"**{ID}**."),
        *(f'{{"email_id": "{ID}"}}', f"<email_id>{ID}</email_id>", f"\u200b{ID}", f"id: '{ID}',"),
    ],
)
def test_an_id_is_read_without_what_stands_around_it(written: str) -> None:
    assert read(spec_of("cancel_message"), {"email_id": written}) == {"email_id": ID}
    assert read(spec_of("get_thread"), {"thread_id": ID, "before": written})["before"] == ID


ANN, SMITH = "ann@example.org", '"Smith, John" <john@example.org>'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('["ann@example.org", "bob@example.org"]', [ANN, "bob@example.org"]),
        ("['ann@example.org', 'bob@example.org']", [ANN, "bob@example.org"]),
        ('[\\"ann@example.org\\", \\"bob@example.org\\"]', [ANN, "bob@example.org"]),
        ('"[\\"ann@example.org\\"]"', [ANN]),
        ('```json\n["ann@example.org"]\n```', [ANN]),
        ("[ann@example.org, bob@example.org]", [ANN, "bob@example.org"]),
        ("ann@example.org, bob@example.org", [ANN, "bob@example.org"]),
        ("ann@example.org;bob@example.org", [ANN, "bob@example.org"]),
        ("- ann@example.org\n- bob@example.org", [ANN, "bob@example.org"]),
        (["ann@example.org, bob@example.org"], [ANN, "bob@example.org"]),
        (['["ann@example.org", "bob@example.org"]'], [ANN, "bob@example.org"]),
        (["ann@example.org", "", None, "null"], [ANN]),
        (("ann@example.org",), [ANN]),
        (SMITH, [SMITH]),
        (f"{SMITH}, ann@example.org", [SMITH, ANN]),
        ([SMITH], [SMITH]),
        (f'["{SMITH}"]'.replace('"Smith, John"', '\\"Smith, John\\"'), [SMITH]),
        ("'Smith, John' <john@example.org>", ["'Smith, John' <john@example.org>"]),
        ("mailto:ann@example.org", [ANN]),
        ("`ann@example.org`", [ANN]),
        ({"email": ANN}, [ANN]),
        ([{"address": ANN, "name": "Ann"}, SMITH], [ANN, SMITH]),
        ({"to": {"email": ANN}}, [ANN]),
        ('[{"email": "ann@example.org"}]', [ANN]),
        ('{"email": "ann@example.org"}', [ANN]),
    ],
    ids=repr,
)
def test_a_list_of_addresses_is_read(written: Any, meant: list[str]) -> None:
    for argument in ("to", "cc", "bcc"):
        assert read(spec_of("send_email"), {**SEND, argument: written})[argument] == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('["billing", "kind=new"]', ["billing", "kind=new"]),
        ("billing, kind=new", ["billing", "kind=new"]),
        ("['billing']", ["billing"]),
        ("[billing]", ["billing"]),
        (['"billing"', "`new`"], ["billing", "new"]),
        (['["billing", "new"]'], ["billing", "new"]),
        (["note=a, b"], ["note=a, b"]),
    ],
    ids=repr,
)
def test_a_list_of_labels_is_read(written: Any, meant: list[str]) -> None:
    assert read(spec_of("tag_email"), {"email_id": ID, "tags": written})["tags"] == meant
    assert read(spec_of("add_contact"), {"email": ANN, "tags": written})["tags"] == meant


@pytest.mark.parametrize("tags", ['["billing", "urgent"', '{"a": "b"}', ["[a"], ['a"b'], ["`a"]])
def test_what_is_left_of_a_list_is_no_label(tags: Any) -> None:
    for name, more in (("tag_email", {"email_id": ID}), ("add_contact", {"email": ANN})):
        with pytest.raises(pydantic.ValidationError):
            read(spec_of(name), {**more, "tags": tags})


async def test_a_send_with_all_arguments_filled_goes_to_one(box: Inbox, connect: Connect) -> None:
    empty = {"cc": [], "bcc": "[]", "send_at": "", "mailbox": "null"}
    sent = await connect(box).call("send_email", {**SEND, "to": f"{SMITH}", **empty})
    mail = box.mail(sent.data["id"])
    assert (mail["to"], mail["cc"], mail["status"]) == (
        ["john@example.org"],
        [],
        "pending_send_approval",
    )


async def test_the_same_error_gets_a_plainer_second_answer(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    first, second, third = [await tools.call("send_email", LATE) for _ in range(3)]
    assert first.text != second.text == third.text
    assert {get_error_code(first), get_error_code(second)} == {"invalid_send_at"}
    assert "send_at can be left out" in first.text
    assert "You sent the same send_email call again" in second.text
    assert "Leave out send_at" in second.text
    other = await tools.call("send_email", {**LATE, "subject": "Other"})
    elsewhere = await tools.call("send_email", LATE, "another conversation")
    assert other.text == elsewhere.text == first.text
    assert (await tools.call("send_email", SEND)).ok
    assert len(box.mails()) == 1


async def test_a_second_answer_names_another_tool_or_stops(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    gone = [await tools("read_email", email_id="msg_unknown") for _ in range(2)]
    assert "Call check_inbox" in gone[1].text
    wrong = [await tools("list_mailboxes", folder="x") for _ in range(2)]
    assert "Leave out folder" in wrong[1].text


async def test_what_may_work_later_is_not_called_hopeless(box: Inbox, connect: Connect) -> None:
    way = FaultyTransport([Fault(answer(429))] * 20, lambda request: True)
    tools = connect(box, way=way, retry=AT_ONCE)
    first, second = [await tools("check_inbox") for _ in range(2)]
    assert get_error_code(first) == get_error_code(second)
    assert second.error is not None
    assert second.error.retryable
    assert "Wait before you call it once more" in second.text
    way.faults.clear()
    assert (await tools("check_inbox")).ok
    waits = [await tools("wait_for_email", timeout_seconds=0) for _ in range(2)]
    assert waits[0].text == waits[1].text


async def test_no_more_errors_are_remembered_than_may_be(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    first = await tools("cancel_message", email_id="a b 0")
    for number in range(1, MAX_REMEMBERED + 1):
        await tools("cancel_message", email_id=f"a b {number}")
    assert (await tools("cancel_message", email_id="a b 0")).text == first.text
    again = await tools("cancel_message", email_id=f"a b {MAX_REMEMBERED}")
    assert "same cancel_message call again" in again.text


@pytest.mark.parametrize("cc", [[{"mail": "bob@example.org"}], {"name": "Bob"}, [["x"], 7]])
def test_an_object_without_an_address_is_no_recipient_that_is_dropped(cc: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        read(spec_of("send_email"), {**SEND, "cc": cc})


@pytest.mark.parametrize("written", ["", "null", "[]", '"{}"', "None"])
async def test_no_arguments_at_all_are_none(box: Inbox, connect: Connect, written: str) -> None:
    assert connect(box).toolkit.call("list_mailboxes", written).ok
    assert connect(box).toolkit.call("list_pending", json.dumps('{"limit": 5}')).ok
