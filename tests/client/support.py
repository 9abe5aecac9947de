"""Doubles of the client tests: both clients behind one interface, and a fake API with state."""

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


class AnyClient:
    """Wraps a sync or async client: every method is awaited, every iterator read to its end."""

    def __init__(self, client: MultiMail | AsyncMultiMail) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if inspect.isawaitable(result):
                return await result
            if isinstance(result, AsyncIterator):
                return [row async for row in result]
            return list(result) if isinstance(result, Iterator) else result

        return call


class Connect:
    """Creates sync or async clients over a mock transport, and closes them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._clients: list[AnyClient] = []

    def __call__(self, handler: Handler | None = None, **options: Any) -> AnyClient:
        options = {"api_key": KEY, "base_url": BASE, "retry": AT_ONCE, **options}
        if handler is not None:
            options["transport"] = httpx.MockTransport(handler)
        client_class = MultiMail if self.kind == "sync" else AsyncMultiMail
        client = AnyClient(client_class(**options))
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


class BrokenStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection is reset before its end."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"id": "em'
        raise httpx.ReadError("connection reset by peer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def get_body(request: httpx.Request) -> Any:
    return json.loads(request.content) if request.content else None


def json_response(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def unreachable(request: httpx.Request) -> httpx.Response:
    """A transport that must not be used."""
    raise AssertionError(f"a request was made: {request.method} {request.url}")


class FakeApi:
    """An API in memory, with mailboxes and messages.

    Each request but the listing of mailboxes consumes one of `faults`.
    """

    def __init__(self, *addresses: str) -> None:
        self.mailboxes = {
            f"mb_{n}": address for n, address in enumerate(addresses or ["ann@x.test"], 1)
        }
        self.emails: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, str] = {}
        self.done: list[str] = []
        self.requests: list[httpx.Request] = []
        self.faults: deque[Fault] = deque()

    @property
    def paths(self) -> list[str]:
        return [f"{r.method} {r.url.raw_path.decode()}" for r in self.requests]

    def hold(self, email_id: str, mailbox_id: str, **fields: Any) -> None:
        self.emails[email_id] = {
            "id": email_id,
            "mailbox_id": mailbox_id,
            "thread_id": f"th_{email_id}",
            "status": "unread",
            "direction": "inbound",
            "from": "bob@y.test",
            "to": [self.mailboxes[mailbox_id]],
            "subject": "Hello",
            **fields,
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path == "/v1/mailboxes" and request.method == "GET":
            rows = [{"id": key, "address": address} for key, address in self.mailboxes.items()]
            return json_response({"mailboxes": rows})
        fault = self.faults.popleft() if self.faults else None
        return fault(request, lambda: self._serve(request)) if fault else self._serve(request)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.split("/")[2:]:
            case "POST", ["mailboxes", box, "send"]:
                return self._accept(request, box)
            case "POST", ["mailboxes", box, "reply", email_id] if self._is_in(box, email_id):
                return self._accept(request, box, thread_id=self.emails[email_id]["thread_id"])
            case "POST", ["mailboxes", box, "emails", email_id, "cancel"] if self._is_in(
                box, email_id
            ):
                self.emails[email_id]["status"] = "cancelled"
                return json_response({"id": email_id, "status": "cancelled"})
            case "GET", ["mailboxes", box, "emails"]:
                return json_response(
                    {"emails": self._rows(box, request.url.params), "cursor": None}
                )
            case "GET", ["mailboxes", box, "emails", email_id] if self._is_in(box, email_id):
                return json_response({**self.emails[email_id], "markdown": "Text"})
            case "GET", ["mailboxes", box, "threads", thread_id]:
                rows = [row for row in self._rows(box, {}) if row["thread_id"] == thread_id]
                response = {"thread_id": thread_id, "emails": rows}
                return json_response(response, 200 if rows else 404)
            case "GET", ["oversight", "pending"]:
                return json_response({"error": "This key lacks the oversight scope"}, 403)
            case (
                ("POST", ["oversight", "decide"]) | ("POST", ["api-keys"]) | ("POST", ["contacts"])
            ):
                self.done.append(request.url.path)
                return json_response({"id": "x", "status": "approved_and_sent"}, 201)
        return json_response({"error": "No such thing"}, 404)

    def _is_in(self, box: str, email_id: str) -> bool:
        return self.emails.get(email_id, {}).get("mailbox_id") == box

    def _rows(self, box: str, params: Any) -> list[dict[str, Any]]:
        rows = [row for row in self.emails.values() if row["mailbox_id"] == box]
        status = params.get("status")
        return [row for row in reversed(rows) if status in (None, row["status"])]

    def _accept(self, request: httpx.Request, box: str, **fields: Any) -> httpx.Response:
        body = get_body(request)
        key = body.get("idempotency_key") or f"none-{len(self.emails)}"
        if key in self.accepted:
            repeated = {"status": "already_sent", "idempotent": True}
            return json_response({"id": self.accepted[key], **repeated})
        email_id = f"msg_{len(self.emails) + 1}"
        self.accepted[key] = email_id
        self.hold(email_id, box, status="pending_send_approval", direction="outbound", **fields)
        email = self.emails[email_id]
        email |= {"to": body.get("to", []), "subject": body.get("subject", "Re")}
        email |= {"created_at": "2026-11-20T08:00:00Z"}
        result = {"id": email_id, "status": "pending_scan", "thread_id": email["thread_id"]}
        return json_response({**result, "approval_url": f"{BASE}/v1/approve/t_{email_id}"}, 202)


def refused(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Nothing listens: the request is not sent."""
    raise httpx.ConnectError("connection refused", request=request)


def reset_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The request is applied; the connection breaks before the response."""
    serve()
    raise httpx.RemoteProtocolError("server disconnected", request=request)


def timeout_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The request is applied; the response comes too late."""
    serve()
    raise httpx.ReadTimeout("timed out", request=request)


def cut_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The request is applied; the response body is truncated."""
    return httpx.Response(serve().status_code, stream=BrokenStream())


def unavailable_after_work(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The request is applied; a proxy responds with 503."""
    serve()
    return json_response({"error": "upstream gone"}, 503)


def limited(retry_after: str) -> Fault:
    """The request is rate-limited and not applied."""

    def fault(request: httpx.Request, serve: Serve) -> httpx.Response:
        return httpx.Response(
            429, json={"error": "slow down"}, headers={"Retry-After": retry_after}
        )

    return fault
