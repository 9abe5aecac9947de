"""Support of the tools' tests: a mailbox for each test, sync and async tools, a faulty network."""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from typing import Any

import httpx

from multimail import AsyncMultiMail, MultiMail, Retry
from multimail.sessions import MemorySessionStore, SessionStore
from multimail.tools import ApproverToolkit, Toolkit, ToolResult
from multimail.trust import GuardDecision
from multimail_server.mail.signing import sign_dkim
from multimail_server.testing.server import ServerUnderTest
from multimail_server.testing.service import get_test_service

Json = dict[str, Any]
AT_ONCE = Retry(base_delay=0, max_delay=0, jitter=lambda: 0.0)
ONE_TRY = Retry(max_attempts=1)
_TLS = ssl.create_default_context()
_MARKS = re.compile(r"<(/?)mail ([0-9a-f]{32})>")


def make_message(
    body: str = "Hello.",
    *,
    subject: str = "Hello",
    sender: str = "ann@example.org",
    to: str = "agent@multimail.test",
    files: Mapping[str, str | bytes] | None = None,
    **headers: str,
) -> bytes:
    """Return a whole message; an underscore in a header's name stands for a hyphen."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    domain = sender.rpartition("@")[2].strip("> ") or "example.org"
    message["Message-ID"] = headers.pop("Message_ID", make_msgid(domain=domain))
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    for name, content in (files or {}).items():
        if isinstance(content, str):
            message.add_attachment(content, filename=name)
        else:
            message.add_attachment(
                content, maintype="application", subtype="octet-stream", filename=name
            )
    return message.as_bytes()


@dataclass(frozen=True)
class Signer:
    """Signs mail as `example.com`, whose key is in the server's zone."""

    private_key: bytes = field(repr=False)
    domain: str = "example.com"

    def __call__(self, raw: bytes) -> bytes:
        return sign_dkim(raw, domain=self.domain, selector="s1", private_key_pem=self.private_key)


@dataclass(frozen=True)
class Inbox:
    """A mailbox that one test has to itself, its two keys, and what the server keeps of it."""

    server: ServerUnderTest
    reviewer: httpx.Client
    id: str
    address: str
    agent_key: str = field(repr=False)
    reviewer_key: str = field(repr=False)
    signer: Signer = field(repr=False)

    def deliver(self, *letters: bytes, sender: str = "ann@example.org") -> None:
        """Receive mail in one real SMTP conversation."""
        host, _, port = self.server.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=60) as connection:
            for letter in letters:
                connection.sendmail(sender, [self.address], letter)

    def receive(self, body: str = "Hello.", **more: Any) -> Json:
        """Receive one mail and return it as a reviewer sees it."""
        self.deliver(make_message(body, **{"to": self.address, **more}))
        return self.mails("inbound")[0]

    def receive_proven(self, body: str = "Hello.", **more: Any) -> Json:
        """Receive one mail that example.com signed and return it as a reviewer sees it."""
        facts = {"to": self.address, "sender": "ann@example.com", **more}
        self.deliver(self.signer(make_message(body, **facts)))
        return self.mails("inbound")[0]

    def mails(self, direction: str = "outbound") -> list[Json]:
        """Return what the mailbox holds, newest first."""
        rows: list[Json] = self._get("/emails", direction=direction, limit=100)["emails"]
        return rows

    def mail(self, email_id: str) -> Json:
        """Return one message with its body."""
        return self._get(f"/emails/{email_id}")

    def left(self) -> list[Json]:
        """Return what left the mailbox, newest first, with its bytes as `raw`."""
        assert get_test_service(self.server.services).drain(), "the outbox is still at work"
        return [mail for mail in self.server.outbox() if mail["mailbox_id"] == self.id]

    def decide(self, email_id: str, action: str = "approve") -> None:
        """Decide as another reviewer would, in another place."""
        body = {"email_id": email_id, "action": action}
        self.reviewer.post("/v1/oversight/decide", json=body).raise_for_status()

    def settle(self) -> None:
        """Reject what still awaits a human: all tests share the account's one queue."""
        for mail in self.mails():
            if mail["status"] == "pending_send_approval":
                self.decide(mail["id"], "reject")

    def _get(self, path: str, **query: Any) -> Json:
        answer = self.reviewer.get(f"/v1/mailboxes/{self.id}{path}", params=query)
        answer.raise_for_status()
        data: Json = answer.json()
        return data


@dataclass(frozen=True)
class Fault:
    """What happens to a request on its way.

    Attributes:
        outcome: An exception to raise, or the answer that the caller gets.
        served: Whether the server did its work before.
    """

    outcome: Exception | httpx.Response
    served: bool = False


def answer(status: int, code: str = "fault", **headers: str) -> httpx.Response:
    """Return an error answer of the API."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": "No.", "code": code}, headers=named)


RESET = httpx.ReadError("connection reset by peer")
LATE = httpx.ReadTimeout("timed out")
REFUSED = httpx.ConnectError("connection refused")


class FaultyTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The network, on which faults wait for the requests that `meets` picks out."""

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        meets: Callable[[httpx.Request], bool] = lambda request: request.method == "POST",
    ) -> None:
        self.faults, self._meets = deque(faults), meets
        self.requests: list[httpx.Request] = []
        self.hides: set[str] = set()
        """Fields of mailboxes that this network loses, as of an API that has none of them."""
        self._sync = httpx.HTTPTransport(verify=_TLS)
        self._async = httpx.AsyncHTTPTransport(verify=_TLS)

    @property
    def posts(self) -> list[httpx.Request]:
        return [request for request in self.requests if request.method == "POST"]

    def _fault(self, request: httpx.Request) -> Fault | None:
        self.requests.append(request)
        return self.faults.popleft() if self.faults and self._meets(request) else None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._fault(request)
        if fault is None or fault.served:
            real = self._sync.handle_request(request)
            if fault is None and not self.hides:
                return real
            real.read()
            if fault is None:
                return self._poorer(real)
        return _outcome(fault)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._fault(request)
        if fault is None or fault.served:
            real = await self._async.handle_async_request(request)
            if fault is None and not self.hides:
                return real
            await real.aread()
            if fault is None:
                return self._poorer(real)
        return _outcome(fault)

    def _poorer(self, real: httpx.Response) -> httpx.Response:
        body = real.json()
        rows = [
            {name: value for name, value in row.items() if name not in self.hides}
            for row in body.get("mailboxes", ())
        ]
        return httpx.Response(real.status_code, json=body | ({"mailboxes": rows} if rows else {}))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


def _outcome(fault: Fault) -> httpx.Response:
    if isinstance(fault.outcome, Exception):
        raise fault.outcome
    given = fault.outcome
    return httpx.Response(given.status_code, content=given.content, headers=given.headers)


class Tools:
    """A toolkit of one mode, called as a model calls it."""

    def __init__(self, toolkit: Toolkit, mode: str, way: FaultyTransport) -> None:
        self.toolkit, self.mode, self.way = toolkit, mode, way

    async def __call__(
        self, name: str, /, session_id: str | None = None, **arguments: Any
    ) -> ToolResult:
        return await self.call(name, arguments, session_id)

    async def call(self, name: str, arguments: Any, session_id: str | None = None) -> ToolResult:
        """Call with arguments of any shape."""
        if self.mode == "sync":
            return self.toolkit.call(name, arguments, session_id=session_id)
        return await self.toolkit.acall(name, arguments, session_id=session_id)


class Connect:
    """Makes tools of one mode for a mailbox, and closes their connections."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._made: list[MultiMail | AsyncMultiMail] = []

    def __call__(
        self,
        box: Inbox,
        pack: type[Toolkit] = Toolkit,
        *,
        key: str | None = None,
        way: FaultyTransport | None = None,
        retry: Retry = AT_ONCE,
        **options: Any,
    ) -> Tools:
        # A memory for each, so that no test is held by what another one was shown.
        options.setdefault("store", MemorySessionStore())
        way = way or FaultyTransport()
        own = box.reviewer_key if pack is ApproverToolkit else box.agent_key
        if pack is not ApproverToolkit:
            options.setdefault("include", "full")
        facts: Any = {"base_url": box.server.url, "transport": way, "retry": retry}
        client: MultiMail | AsyncMultiMail
        if self.mode == "sync":
            client = given = MultiMail(key or own, **facts)
            toolkit = pack(client=given, **options)
        else:
            client = mine = AsyncMultiMail(key or own, **facts)
            toolkit = pack(async_client=mine, **options)
        self._made.append(client)
        return Tools(toolkit, self.mode, way)

    def approver(self, box: Inbox, **options: Any) -> Tools:
        """Make the reviewer's tools."""
        return self(box, ApproverToolkit, **options)

    async def close(self) -> None:
        for client in self._made:
            if isinstance(client, MultiMail):
                client.close()
            else:
                await client.close()


class OffLoopStore(MemorySessionStore):
    """A store that may wait, so that its calls belong off the event loop; it notes those on one."""

    def __init__(self) -> None:
        super().__init__()
        self.on_a_loop: list[str] = []

    def kept(self, session: str) -> frozenset[str]:
        return super().declared(session)

    def __getattribute__(self, name: str) -> Any:
        if name in _STORE_METHODS and _is_on_a_loop():
            self.on_a_loop.append(name)
        return super().__getattribute__(name)


_STORE_METHODS = {name for name in vars(SessionStore) if not name.startswith("_")}


def _is_on_a_loop() -> bool:
    with suppress(RuntimeError):
        return asyncio.get_running_loop() is not None
    return False


def fenced(text: str) -> str:
    """Return what stands between the marks, of which there must be one pair."""
    marks = list(_MARKS.finditer(text))
    assert [mark[1] for mark in marks] == ["", "/"], f"no closed fence in {text!r}"
    nonce = marks[0][2]
    assert marks[1][2] == nonce
    assert text.count(nonce) == 2
    return text[marks[0].end() : marks[1].start()].strip("\n")


def outside(text: str) -> str:
    """Return what stands outside of the marks: our own words."""
    inside = fenced(text)
    return text.replace(inside, "") if inside else text


def get_error_code(result: ToolResult) -> str:
    """Return the error's code; the result must be an error that says so in words and in data."""
    assert result.error is not None, result.text
    assert result.text.startswith(f"Error ({result.error.code}): ")
    assert result.data["error"] == result.error.as_data()
    return result.error.code


def decided(result: ToolResult) -> GuardDecision:
    """Return the guard's decision, of which there must be one."""
    assert result.decision is not None, result.text
    return result.decision


def ids(rows: Sequence[Json]) -> list[str]:
    """Return the rows' ids."""
    return [row["id"] for row in rows]
