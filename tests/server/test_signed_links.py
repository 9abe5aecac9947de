"""Signed links to attachments: valid until their stated end, for what they were signed for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from multimail_server.auth import LINK_LIFETIME, SignedLinks
from multimail_server.errors import ApiError

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
LINKS = SignedLinks("secret")


def get_code(links: SignedLinks, attachment_id: str, path: str, now: datetime) -> str:
    """Return the error's status and code; empty for a link that is valid."""
    query = parse_qs(urlsplit(path).query)
    try:
        links.check(attachment_id, query["expires"][0], query["signature"][0], now)
    except ApiError as error:
        return f"{error.status} {error.code}"
    return ""


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(0), ""),
        (LINK_LIFETIME - timedelta(seconds=1), ""),
        (LINK_LIFETIME, ""),
        (LINK_LIFETIME + timedelta(milliseconds=1), "403 link_expired"),
        (LINK_LIFETIME + timedelta(seconds=1), "403 link_expired"),
    ],
)
def test_a_link_is_valid_until_its_stated_end(age: timedelta, code: str) -> None:
    path, expires_at = LINKS.sign("att_1", NOW)
    assert expires_at == NOW + timedelta(minutes=15)
    assert get_code(LINKS, "att_1", path, NOW + age) == code


def test_a_link_that_is_made_between_two_seconds_states_its_real_end() -> None:
    path, expires_at = LINKS.sign("att_1", NOW + timedelta(milliseconds=900))
    assert get_code(LINKS, "att_1", path, expires_at) == ""
    later = expires_at + timedelta(milliseconds=1)
    assert get_code(LINKS, "att_1", path, later) == "403 link_expired"


def test_a_link_is_for_one_attachment_of_one_server() -> None:
    path, _ = LINKS.sign("att_1", NOW)
    assert get_code(LINKS, "att_2", path, NOW) == "403 bad_link"
    assert get_code(SignedLinks("another secret"), "att_1", path, NOW) == "403 bad_link"


@pytest.mark.parametrize("expires", ["", "soon", "-1", "9" * 12, "²"])
def test_a_link_with_another_end_is_refused(expires: str) -> None:
    path, _ = LINKS.sign("att_1", NOW)
    signature = parse_qs(urlsplit(path).query)["signature"][0]
    with pytest.raises(ApiError) as error:
        LINKS.check("att_1", expires, signature, NOW)
    assert error.value.code == "bad_link"
