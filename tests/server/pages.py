"""A person at the human's page, over plain HTTP: reads forms as a browser does and sends them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Protocol

import httpx

from multimail_server.testing.server import ServerUnderTest


@dataclass
class FormOnPage:
    """A form: where it goes, and what it would send if nothing were touched."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormOnPage] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FormOnPage(given["action"]))
        elif tag == "input" and given.get("name") and self.forms:
            if given.get("type") != "checkbox" or "checked" in given:
                self.forms[-1].fields.append((given["name"], given.get("value", "")))
        elif tag == "textarea":
            self._area = given["name"]
            self.forms[-1].fields.append((self._area, ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            name, before = self.forms[-1].fields[-1]
            # A browser drops the line break right after the tag, and sends CRLF.
            text = before + (data.removeprefix("\n") if not before else data)
            self.forms[-1].fields[-1] = (name, text)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None


class Site(Protocol):
    """What a browser can be at: a server, or a balancer."""

    @property
    def url(self) -> str: ...


class Person:
    """A browser without JavaScript, with its cookies."""

    def __init__(self, server: Site) -> None:
        self.server, self.origin = server, server.url
        self.client = httpx.Client(base_url=server.url, headers={"Accept": "text/html"})

    def move_to(self, server: Site) -> None:
        """Reach another server under the same name, with the same cookies."""
        self.client.headers["Host"] = self.origin.removeprefix("http://")
        self.server = server
        self.client.base_url = httpx.URL(server.url)

    def sign_in(self, key: str, wanted: str = "/") -> httpx.Response:
        return self.post("/sign-in", {"key": key, "wanted": wanted})

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(
        self, path: str, fields: Mapping[str, str | list[str]], origin: str | None = "own"
    ) -> httpx.Response:
        headers = {} if origin is None else {"Origin": self.origin if origin == "own" else origin}
        return self.client.post(path, data=dict(fields), headers=headers)

    def form(self, path: str, action: str) -> dict[str, str | list[str]]:
        """Return the fields of the form on a page that goes to `action`."""
        page = self.get(path)
        reader = _Reader()
        reader.feed(page.text)
        (forms,) = [form for form in reader.forms if form.action == action]
        fields: dict[str, str | list[str]] = {}
        for name, value in forms.fields:
            known = fields.get(name)
            if known is None:
                fields[name] = value
            else:
                fields[name] = [*(known if isinstance(known, list) else [known]), value]
        return fields

    def decide(
        self, email_id: str, action: str, reason: str = "", query: str = ""
    ) -> httpx.Response:
        """Decide; `query` is the filter of the queue that the person came from."""
        path = f"/review/{email_id}/decide{query}"
        fields = self.form(f"/review/{email_id}{query}", path)
        return self.post(path, {**fields, "action": action, "reason": reason})

    def csrf(self) -> str:
        return str(self.form("/", "/sign-out")["csrf"])


def get_text(page: httpx.Response) -> str:
    """Return what a page says, without its tags."""
    words = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page.text, flags=re.DOTALL)
    return " ".join(unescape(words).split())


def get_status(server: ServerUnderTest, email_id: str) -> str:
    """Return the status of an email, as the API states it to the agent."""
    with server.http("agent") as agent:
        reply = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email_id}")
    return str(reply.json()["status"])
