"""The table of docs/mail.md: each value is read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multimail_server.mail.auth.authenticate import find_structural_faults
from multimail_server.mail.headers import read_headers
from multimail_server.mail.message import parse_message

PAGE = Path(__file__).parents[2] / "docs" / "mail.md"
ROWS = re.findall(
    r"^\| ([A-Z][\w-]+) \| `(.+?)` \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
)


def read(field: str, value: str) -> str:
    """Return what the page's third column says of a field's value."""
    sender = "" if field == "From" else "From: ann@example.org\r\n"
    raw = f"{sender}{field}: {value}\r\n\r\ntext\r\n".encode()
    message = parse_message(raw)
    if field == "Content-Type":
        return "a file" if message.attachments else message.markdown
    if find_structural_faults(read_headers(raw)):
        return "no author: `failed`" if not message.from_address else "a fault"
    return f"`{message.subject if field == 'Subject' else message.from_address}`"


@pytest.mark.parametrize(("field", "value", "shown"), ROWS)
def test_a_field_is_read_as_the_page_says(field: str, value: str, shown: str) -> None:
    assert read(field, value) == shown


def test_the_page_has_rows() -> None:
    assert len(ROWS) >= 20
