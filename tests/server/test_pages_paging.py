"""The pages' lists beyond their first page: older and newer, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from tests.server.pages import Person, get_text

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

HELD = 230


@pytest.fixture(scope="module")
def full() -> Iterator[ServerUnderTest]:
    """A server whose mailbox holds all that comes in, and much came."""
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0, oversight_mode="gated_all")) as server:
        rows = [{"from": "a@example.com", "subject": f"Nr {n:03}."} for n in range(HELD)]
        server.seed({"messages": rows})
        yield server


@pytest.fixture
def person(full: ServerUnderTest) -> Person:
    """Somebody who is signed in."""
    browser = Person(full)
    browser.sign_in(full.keys.reviewer)
    return browser


def find_rows(page: str) -> list[str]:
    return re.findall(r'id="row-(msg_\w+)"', page) or re.findall(
        r"<li>\s*<p><strong>.*?</li>", page, re.DOTALL
    )


def link(page: str, rel: str) -> str | None:
    match = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return unescape(match[1]) if match else None


def walked(person: Person, path: str, rel: str) -> list[tuple[str, list[str]]]:
    """Follow a link from page to page; return each page's address and rows."""
    rows, address = [], path
    while address:
        page = person.get(address).text
        rows.append((address, find_rows(page)))
        address = link(page, rel) or ""
    return rows


@pytest.mark.parametrize(("path", "pages"), [("/", 3), ("/inbox", 5)])
def test_every_row_is_on_one_page_and_the_way_back_is_the_same(
    person: Person, path: str, pages: int
) -> None:
    there = walked(person, path, "next")
    rows = [row for _, page in there for row in page]
    assert (len(there), len(rows), len(set(rows))) == (pages, HELD, HELD)
    assert rows == sorted(rows, reverse=path == "/inbox")
    back = walked(person, there[-1][0], "prev")
    assert [page for _, page in back] == [page for _, page in there[::-1]]
    assert link(person.get(back[-1][0]).text, "prev") is None


def test_the_audit_trail_goes_back_to_its_first_line(person: Person) -> None:
    there = walked(person, "/audit?all=true", "next")
    lines = [line for _, page in there for line in page]
    assert isinstance(person.server, ServerUnderTest)
    store = person.server.services.context.store
    account = store.read(lambda tx: tx.first_account())
    assert account is not None
    kept = store.read(lambda tx: tx.audit(account.id, None, None, 10_000))
    assert len(lines) == len(kept) > HELD
    assert "Mailbox: create" in lines[-1]
    assert [page for _, page in walked(person, there[-1][0], "prev")] == [
        page for _, page in there[::-1]
    ]


def test_new_mail_does_not_shift_pages(full: ServerUnderTest, person: Person) -> None:
    second = str(link(person.get("/inbox").text, "next"))
    before = find_rows(person.get(second).text)
    full.deliver(subject="New one")
    full.wait_for_message("New one")
    assert find_rows(person.get(second).text) == before
    assert "New one" in get_text(person.get(str(link(person.get(second).text, "prev"))))


def test_the_audit_trail_leads_with_what_changed(person: Person) -> None:
    person.get("/review/" + find_rows(person.get("/").text)[0])
    assert "Read by reviewer" in get_text(person.get("/audit?all=true"))
    assert "Read by reviewer" not in get_text(person.get("/audit"))


def test_the_queue_says_how_much_waits(person: Person) -> None:
    assert re.search(r"23\d messages await a decision", get_text(person.get("/")))


def test_the_way_back_is_bounded_and_ends_at_the_first_page(person: Person) -> None:
    page = str(link(person.get("/inbox").text, "next"))
    cursor = page.split("cursor=")[1]
    far = person.get(f"{page}&trail={'.'.join([cursor] * 20)}")
    on = str(link(far.text, "next"))
    assert len(on.split("trail=")[1].split(".")) == 20
    lost = person.get(page)
    assert str(link(lost.text, "prev")).partition("cursor")[2] == ""
    wrong = person.get("/inbox?trail=%3Cscript%3E")
    assert wrong.status_code == 400
    assert "<script>" not in wrong.text
