"""The migration page: every retired method, tool and error is on it, and its replacement exists."""

from __future__ import annotations

import inspect
import re

import pytest
from tests.docs.blocks import ROOT

from multimail import AsyncMultiMail, MultiMail, errors
from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS

PAGE = (ROOT / "docs" / "migrating.md").read_text("utf-8")

# The public methods, tools and errors of the wheels of 0.1.1, which no longer change.
METHODS = [
    "add_contact",
    "add_domain",
    "cancel_email",
    "close",
    "create_api_key",
    "create_mailbox",
    "create_webhook",
    "decide",
    "delete_account",
    "delete_contact",
    "delete_domain",
    "delete_mailbox",
    "delete_tag",
    "delete_webhook",
    "download_attachment",
    "get_account",
    "get_audit_log",
    "get_email",
    "get_tags",
    "get_thread",
    "get_usage",
    "list_api_keys",
    "list_contacts",
    "list_domains",
    "list_emails",
    "list_mailboxes",
    "list_pending",
    "list_suppressions",
    "list_webhooks",
    "remove_suppression",
    "reply_email",
    "revoke_api_key",
    "send_email",
    "set_tags",
    "update_account",
    "update_mailbox",
    "verify_domain",
]
TOOLS = [
    "check_inbox",
    "decide_email",
    "get_thread",
    "list_pending",
    "read_email",
    "reply_email",
    "search_contacts",
    "send_email",
    "tag_email",
]
ERRORS = [
    "AuthenticationError",
    "MultiMailError",
    "NotFoundError",
    "RateLimitError",
    "ValidationError",
]


def parse_rows(name: str) -> list[list[str]]:
    table = PAGE.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
    lines = table.strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def parse_names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_each_retired_method_has_a_row_and_each_new_name_is_there() -> None:
    rows = parse_rows("retired client")
    assert sorted(name for row in rows for name in parse_names(row[0])) == METHODS
    now = {name for row in rows for name in parse_names(row[0 if row[1] == "the same" else 1])}
    for client in (MultiMail, AsyncMultiMail):
        assert not {name for name in now if not callable(getattr(client, name, None))}


@pytest.mark.parametrize(
    ("method", "argument"),
    [("search_contacts", "query"), ("decide_email", "content_hash"), ("reply_email", "reply_all")],
)
def test_an_argument_that_the_page_names_is_there(method: str, argument: str) -> None:
    assert argument in inspect.signature(getattr(MultiMail, method)).parameters


def test_each_retired_tool_has_a_row_and_each_tool_is_on_the_page() -> None:
    rows = parse_rows("retired tools")
    assert sorted(name for row in rows for name in parse_names(row[0])) == TOOLS
    now = {name for row in rows for name in parse_names(row[1])} | {"decide_email"}
    named = {spec.name for spec in (*AGENT_TOOLS, *APPROVER_TOOLS)}
    assert now - {"MultiMailApproverToolkit"} == named


def test_each_retired_error_is_named_and_there() -> None:
    assert all(f"`{name}`" in PAGE for name in ERRORS)
    assert set(ERRORS) <= set(errors.__all__)
