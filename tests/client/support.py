"""The ground of the client's tests: both clients behind one face, and an API that keeps state."""

from __future__ import annotations

import inspect
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias

import httpx

from multimail import AsyncMultiMail, MultiMail, Retry

KEY = "mm_test_canary_5f2b9c71d04e"
AT_ONCE = Retry(base_delay=0, max_delay=0, max_retry_after=0.5, jitter=lambda: 0.0)
BASE = "https://api.multimail.test"

Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]
Serve: TypeAlias = Callable[[], httpx.Response]
Fault: TypeAlias = Callable[[httpx.Request, Serve], httpx.Response]


class Api:
    """A client of either colour; every verb is awaited, every iterator is read to its end."""

    def __init__(self, client: MultiMail | AsyncMultiMail) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        async def act(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if inspect.isawaitable(result):
                return await result
            if isinstance(result, AsyncIterator):
                return [row async for row in result]
            return list(result) if isinstance(result, Iterator) else result

        return act


class Connect:
    """Makes clients of one colour over a scripted transport, and closes them."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self._made: list[Api] = []

    def __call__(self, handler: Handler | None = None, **options: Any) -> Api:
        options = {"api_key": KEY, "base_url": BASE, "retry": AT_ONCE, **options}
        if handler is not None:
            options["transport"] = httpx.MockTransport(handler)
        api = Api(MultiMail(**options) if self.colour == "sync" else AsyncMultiMail(**options))
        self._made.append(api)
        return api

    async def close(self) -> None:
        for api in self._made:
            await api.close()


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection is reset before its end."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"id": "em'
        raise httpx.ReadError("connection reset by peer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def build_body(request: httpx.Request) -> Any:
    return json.loads(request.content) if request.content else None


def answer(reply: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=reply, headers=headers)


def unreachable(request: httpx.Request) -> httpx.Response:
    """A transport that must not be reached."""
    raise AssertionError(f"a request was made: {request.method} {request.url}")


class Post:
    """An API in memory: some mailboxes, what they hold, and what happens on the way there.

    `faults` are met one by one by the requests to come, except by listings of mailboxes.
    """

    def __init__(self, *addresses: str) -> None:
        self.mailboxes = {f"mb_{n}": one for n, one in enumerate(addresses or ["ann@x.test"], 1)}
        self.emails: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, str] = {}
        self.done: list[str] = []
        self.requests: list[httpx.Request] = []
        self.faults: deque[Fault] = deque()

    @property
    def paths(self) -> list[str]:
        return [f"{one.method} {one.url.raw_path.decode()}" for one in self.requests]

    def hold(self, email_id: str, mailbox_id: str, **facts: Any) -> None:
        self.emails[email_id] = {
            "id": email_id,
            "mailbox_id": mailbox_id,
            "thread_id": f"th_{email_id}",
            "status": "unread",
            "direction": "inbound",
            "from": "bob@y.test",
            "to": [self.mailboxes[mailbox_id]],
            "subject": "Hello",
            **facts,
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path == "/v1/mailboxes" and request.method == "GET":
            rows = [{"id": one, "address": address} for one, address in self.mailboxes.items()]
            return answer({"mailboxes": rows})
        fault = self.faults.popleft() if self.faults else None
        return fault(request, lambda: self._serve(request)) if fault else self._serve(request)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.split("/")[2:]:
            case "POST", ["mailboxes", box, "send"]:
                return self._accept(request, box)
            case "POST", ["mailboxes", box, "reply", one] if self._is_in(box, one):
                return self._accept(request, box, thread_id=self.emails[one]["thread_id"])
            case "POST", ["mailboxes", box, "emails", one, "cancel"] if self._is_in(box, one):
                self.emails[one]["status"] = "cancelled"
                return answer({"id": one, "status": "cancelled"})
            case "GET", ["mailboxes", box, "emails"]:
                return answer({"emails": self._rows(box, request.url.params), "cursor": None})
            case "GET", ["mailboxes", box, "emails", one] if self._is_in(box, one):
                return answer({**self.emails[one], "markdown": "Text"})
            case "GET", ["mailboxes", box, "threads", one]:
                rows = [row for row in self._rows(box, {}) if row["thread_id"] == one]
                return answer({"thread_id": one, "emails": rows}, 200 if rows else 404)
            case "GET", ["oversight", "pending"]:
                return answer({"error": "This key lacks the oversight scope"}, 403)
            case (
                ("POST", ["oversight", "decide"]) | ("POST", ["api-keys"]) | ("POST", ["contacts"])
            ):
                self.done.append(request.url.path)
                return answer({"id": "x", "status": "approved_and_sent"}, 201)
        return answer({"error": "No such thing"}, 404)

    def _is_in(self, box: str, email_id: str) -> bool:
        return self.emails.get(email_id, {}).get("mailbox_id") == box

    def _rows(self, box: str, wanted: Any) -> list[dict[str, Any]]:
        mine = [one for one in self.emails.values() if one["mailbox_id"] == box]
        status = wanted.get("status")
        return [one for one in reversed(mine) if status in (None, one["status"])]

    def _accept(self, request: httpx.Request, box: str, **facts: Any) -> httpx.Response:
        body = build_body(request)
        key = body.get("idempotency_key") or f"none-{len(self.emails)}"
        if key in self.accepted:
            again = {"status": "already_sent", "idempotent": True}
            return answer({"id": self.accepted[key], **again})
        one = f"msg_{len(self.emails) + 1}"
        self.accepted[key] = one
        self.hold(one, box, status="pending_send_approval", direction="outbound", **facts)
        self.emails[one] |= {"to": body.get("to", []), "subject": body.get("subject", "Re")}
        self.emails[one] |= {"created_at": "2026-11-20T08:00:00Z"}
        reply = {"id": one, "status": "pending_scan", "thread_id": self.emails[one]["thread_id"]}
        return answer({**reply, "approval_url": f"{BASE}/v1/approve/t_{one}"}, 202)


def refused(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Nobody listens: the request never left."""
    raise httpx.ConnectError("connection refused", request=request)


def reset_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The API did its work; then the connection broke before a word of the answer."""
    serve()
    raise httpx.RemoteProtocolError("server disconnected", request=request)


def timeout_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The API did its work and its answer is too late."""
    serve()
    raise httpx.ReadTimeout("timed out", request=request)


def cut_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The API did its work and its answer breaks off in the middle."""
    return httpx.Response(serve().status_code, stream=Cut())


def unavailable_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The API did its work; a proxy before it says 503."""
    serve()
    return answer({"error": "upstream gone"}, 503)


def limited(retry_after: str) -> Fault:
    """The API turns the request away unread."""

    def fault(request: httpx.Request, serve: Serve) -> httpx.Response:
        return httpx.Response(
            429, json={"error": "slow down"}, headers={"Retry-After": retry_after}
        )

    return fault
