"""Targets: what a call acts on, and whether the user's words or trusted data supplied it."""

from __future__ import annotations

from typing import Any

import pytest

from multimail.trust.targets import (
    MAX_TARGETS,
    Sources,
    TargetKind,
    find_targets,
    get_host,
    name_id,
)

WORDS = (
    "Do these tasks: 1. Send report.docx (file id 13) to Ann <ann@example.com>. 2. Call +1 (555) "
    "123-4567 by 14:00 on 2024-05-19. 3. Post https://shop.example/a?b=1 in #general. Delete the "
    "events 7, 9 and 12, reject invoice INV-2041 of 250000 dollars and pay "
    "DE89 3704 0044 0532 0130 00. Email ID: 34."
)


@pytest.mark.parametrize(
    ("argument", "value", "kind"),
    [
        ("to", "ann@example.com", "address"),
        ("note", "Ann <ann@example.com>", "address"),
        ("body", "https://x.example/a", "url"),
        ("x", "javascript:alert(1)", "url"),
        ("x", "x.example/path", "url"),
        ("host", "x.example", "host"),
        ("to", "+1 555 123 4567", "phone"),
        ("x", "DE89370400440532013000", "payment"),
        ("file_id", "13", "name"),
        ("fileId", 13, "name"),
        ("path", "/etc/passwd", "name"),
        ("filename", "report.docx", "name"),
    ],
)
def test_a_target_is_found_by_name_or_format(argument: str, value: Any, kind: str) -> None:
    (target,) = find_targets({argument: value})
    assert target.kind == kind


@pytest.mark.parametrize(
    "arguments",
    [
        {"subject": "Hello", "body": "Ann is at 10. See README.md, e.g. page 1.2."},
        {"start_time": "2024-05-19 12:00", "to": "2024-05-20"},
        {"limit": 5, "is_user": True, "cc": None, "bcc": []},
        {"attachments": [{"type": "file"}]},
    ],
)
def test_free_text_numbers_and_dates_are_no_targets(arguments: dict[str, Any]) -> None:
    assert find_targets(arguments) == []


def test_targets_are_found_at_any_depth_and_in_lists_written_as_text() -> None:
    arguments = {
        "recipients": 'a@x.example; "Smith, John" <j@x.example>',
        "attachments": [{"type": "event", "details": {"participants": ["m@x.example"]}}],
        "body": "Join at https://evil.example/x, or evil.com.",
    }
    deep: Any = {"to": "b@x.example"}
    for _ in range(40):
        deep = {"more": deep}
    values = [target.value for target in find_targets(arguments)]
    links = ["https://evil.example/x", "evil.com"]
    assert values == ["a@x.example", '"Smith, John" <j@x.example>', "m@x.example", *links]
    assert any("b@x.example" in target.value for target in find_targets({"to": deep}))
    assert len(find_targets({"to": ["a@x.example"] * 10_000})) == MAX_TARGETS + 1


@pytest.mark.parametrize("value", [True, None, {}, "reader", {"more": ["x"]}])
def test_keys_of_an_argument_are_targets(value: Any) -> None:
    arguments: Any = {"guests": {"eve@x.example": value}, "settings": {"user.name": "x"}}
    assert "eve@x.example" in [target.value for target in find_targets(arguments)]
    assert find_targets({"settings": {"user.name": True}}) == []


@pytest.mark.parametrize("between", [" ", "\t", "|", "", "/"])
def test_an_address_in_a_display_name_is_a_target_too(between: str) -> None:
    sources = Sources(["Write to ann@example.com."])
    value = f"<eve@x.example>{between}<ann@example.com>"
    assert not all(map(sources.explain, find_targets({"to": value})))


def test_a_url_with_a_backslash_has_no_host() -> None:
    (target,) = find_targets({"url": "https://ours.example\\@evil.example"})
    assert get_host(target) == ""


def test_named_targets_replace_the_default_ones() -> None:
    arguments = {"to": "a@x.example", "slot": 3, "body": "https://evil.example"}
    assert [target.value for target in find_targets(arguments, ["slot"])] == ["3"]
    assert find_targets(arguments, []) == []


@pytest.mark.parametrize(
    ("argument", "value", "is_explained"),
    [
        ("to", "ANN@example.com", True),
        ("to", "ann@example.com.evil.example", False),
        ("to", "x-ann@example.com", False),
        ("to", "ann@sub.example.com", False),
        ("to", "ann+x@example.com", False),
        ("url", "https://SHOP.example/a?b=1", True),
        ("url", "https://shop.example/a?b=1&c=2", False),
        ("url", "https://shop.example/a", False),
        ("url", "https://shop.example@evil.example/a?b=1", False),
        ("host", "shop.example", False),
        ("phone", "+15551234567", True),
        ("phone", "+15551234568", False),
        ("iban", "DE89370400440532013000", True),
        ("filename", "Report.docx", True),
        ("filename", "port.docx", False),
        ("path", "/tmp/report.docx", False),
        ("invoice", "INV-2041", True),
        ("invoice", "INV-204", False),
        ("channel", "#general", True),
        ("channel", "general", True),
        ("group", "the", False),
        ("file_id", "13", True),
        ("document_id", "13", True),
        ("email_id", "13", False),
        ("email_id", "34", True),
        ("invoice_id", "250000", False),
        ("event_id", "7", True),
        ("event_id", "9", True),
        ("event_id", "12", True),
        ("event_id", "14", False),
        ("event_id", "19", False),
        ("event_id", "00", False),
        ("task_id", "1", False),
        ("id", "3", False),
        ("user_id", "", True),
    ],
)
def test_a_target_stands_in_the_words_as_a_whole(
    argument: str, value: str, is_explained: bool
) -> None:
    sources = Sources([WORDS])
    assert all(map(sources.explain, find_targets({argument: value}))) is is_explained


def test_a_bare_id_is_of_the_kind_that_its_tool_names() -> None:
    sources = Sources(["Delete file 13."])
    (file,) = find_targets({"id": "13"}, tool="delete_file")
    (mail,) = find_targets({"id": "13"}, tool="delete_email")
    assert (sources.explain(file), sources.explain(mail)) == (True, False)


@pytest.mark.parametrize(
    ("key", "tool", "argument", "value", "is_explained"),
    [
        ("id_", "create_file", "file_id", "13", True),
        ("id_", "create_file", "document_id", "13", True),
        ("id_", "create_file", "file_id", "3", False),
        ("id_", "create_file", "email_id", "13", False),
        ("id_", "create_calendar_event", "event_id", "13", True),
        ("fileId", "save", "file_id", "13", True),
        ("contact_id", "search_contacts", "file_id", "13", False),
    ],
)
def test_an_id_is_known_for_its_kind_and_survives_a_store(
    key: str, tool: str, argument: str, value: str, is_explained: bool
) -> None:
    known = Sources(["Ann: ann@example.com"], [name_id(13, key, tool)])
    sources = Sources.from_entries(known.to_entries())
    assert sources.explain_text("ann@example.com")
    assert sources.explain(find_targets({argument: value})[0]) is is_explained


@pytest.mark.parametrize("kind", TargetKind)
def test_only_a_name_reaches_nobody(kind: TargetKind) -> None:
    assert kind.reaches_others is (kind is not TargetKind.NAME)
