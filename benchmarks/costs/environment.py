"""The APIs that the packages call: the embedded server, and adapters for the comparators."""

from __future__ import annotations

import smtplib
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from benchmarks.server.processes import FREE, SERVE, start_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from multimail_server.mail.html import html_to_markdown
from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

from .dataset import DOMAIN, Mail

_SELECTOR = "bench"
_UNLIMITED = (
    *("--smtp-per-minute", "1000000", "--smtp-connections", "500"),
    *("--requests-per-minute", "10000000"),
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A server with a mailbox.

    Attributes:
        url: The URL of the API.
        smtp: Host and port of the SMTP server.
        mailbox: The id of the mailbox.
        address: The address of the mailbox.
        key: An agent's key.
    """

    url: str
    smtp: str
    mailbox: str
    address: str
    key: str

    def options(self) -> dict[str, Any]:
        """Return the arguments of a toolkit for this mailbox."""
        return {"api_key": self.key, "base_url": self.url, "mailbox": self.mailbox}

    def deliver(self, mails: Sequence[bytes]) -> None:
        """Send mail to the mailbox over one SMTP connection; it is stored on return."""
        host, _, port = self.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=60) as connection:
            for raw in mails:
                connection.sendmail(f"bounces@{DOMAIN}", [self.address], raw)


@contextmanager
def start_environment(mails: Sequence[Mail] = (), *options: str) -> Iterator[Environment]:
    """Serve a mailbox in memory with this mail, signed by its domain, until the block ends.

    Args:
        mails: Oldest first.
        options: Further options of `multimail serve`.
    """
    pem, record = generate_key()
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        records = [
            (f"{_SELECTOR}._domainkey.{DOMAIN}", record),
            (f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject"),
        ]
        zone.write_text(zone_lines(records), "utf-8")
        with start_server(*SERVE, *FREE, *_UNLIMITED, "--dns-zone", str(zone), *options) as server:
            banner = server.banner
            box = banner["mailbox"]
            environment = Environment(
                banner["url"], banner["smtp"], box["id"], box["address"], banner["keys"]["agent"]
            )
            environment.deliver([_sign(mail.mime(environment.address), pem) for mail in mails])
            yield environment


def _sign(raw: bytes, pem: bytes) -> bytes:
    return sign_dkim(raw, domain=DOMAIN, selector=_SELECTOR, private_key_pem=pem)


@contextmanager
def serve_app(app: Starlette) -> Iterator[str]:
    """Serve an app on loopback until the block ends; yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


_INCLUDE_BODIES = {"include": "bodies"}
"""A thread has no bodies without this; other routes ignore it."""
_RETIRED_NAMES = {"text_body": "markdown", "from_address": "from", "to_addresses": "to"}


def _add_retired_names(data: Any) -> Any:
    if isinstance(data, list):
        return [_add_retired_names(item) for item in data]
    if not isinstance(data, dict):
        return data
    inner = {name: _add_retired_names(value) for name, value in data.items()}
    return inner | {old: inner[new] for old, new in _RETIRED_NAMES.items() if new in inner}


@contextmanager
def serve_retired_api(url: str) -> Iterator[str]:
    """Serve the API at `url` with the retired names added until the block ends; yield its URL.

    The tools of the retired package read `text_body`, `from_address` and `to_addresses`, which no
    published document of the API has. Without them the tools would show neither senders nor
    bodies, and their results would be short.
    """
    with httpx.Client(base_url=url, timeout=60) as client:

        def forward(request: Request, body: bytes) -> JSONResponse:
            response = client.request(
                request.method,
                request.url.path,
                params={**request.query_params, **_INCLUDE_BODIES},
                content=body,
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name in ("authorization", "content-type")
                },
            )
            return JSONResponse(_add_retired_names(response.json()), response.status_code)

        async def handle(request: Request) -> JSONResponse:
            return forward(request, await request.body())

        routes = [Route("/{path:path}", handle, methods=["GET", "POST"])]
        with serve_app(Starlette(routes=routes)) as retired_url:
            yield retired_url


AGENTMAIL_INBOX = "agent@agentmail.to"
_TIMESTAMP = "2026-03-02T08:00:00Z"


def get_agentmail_thread_id(mail: Mail, mails: Sequence[Mail]) -> str:
    """Return the id that AgentMail's API gives to a message's thread."""
    first = mail
    while first.answers is not None:
        first = mails[first.answers]
    return f"00000000-0000-4000-8000-{first.number:012}"


def _build_message(mail: Mail, mails: Sequence[Mail]) -> dict[str, Any]:
    fresh = mail.fresh or (html_to_markdown(mail.html).text if mail.html else mail.text)
    message = {
        **_common_fields(mail, mails),
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": [AGENTMAIL_INBOX],
        "text": mail.text or None,
        "html": mail.html or None,
        "extracted_text": fresh,
    }
    if mail.answers is not None:
        message["in_reply_to"] = mails[mail.answers].message_id
    return {name: value for name, value in message.items() if value is not None}


def _common_fields(mail: Mail, mails: Sequence[Mail]) -> dict[str, Any]:
    return {
        "inbox_id": AGENTMAIL_INBOX,
        "thread_id": get_agentmail_thread_id(mail, mails),
        "labels": ["received", "unread"],
        "timestamp": _TIMESTAMP,
        "subject": mail.subject,
        "preview": (mail.fresh or mail.subject)[:200],
        "size": len(mail.text) + len(mail.html),
        "updated_at": _TIMESTAMP,
        "created_at": _TIMESTAMP,
    }


def _build_thread(thread: list[Mail], mails: Sequence[Mail]) -> dict[str, Any]:
    last = thread[-1]
    return {
        **_common_fields(last, mails),
        "received_timestamp": _TIMESTAMP,
        "senders": sorted({mail.sender for mail in thread}),
        "recipients": [AGENTMAIL_INBOX],
        "last_message_id": last.message_id,
        "message_count": len(thread),
    }


def _build_agentmail_app(mails: Sequence[Mail]) -> Starlette:
    threads: dict[str, list[Mail]] = {}
    for mail in mails:
        threads.setdefault(get_agentmail_thread_id(mail, mails), []).append(mail)
    newest = sorted(threads.values(), key=lambda thread: -thread[-1].number)

    async def list_threads(request: Request) -> JSONResponse:
        limit = int(request.query_params.get("limit", 10))
        rows = [_build_thread(thread, mails) for thread in newest[:limit]]
        return JSONResponse({"count": len(rows), "limit": limit, "threads": rows})

    async def get_thread(request: Request) -> JSONResponse:
        thread = threads[request.path_params["thread"]]
        messages = [_build_message(mail, mails) for mail in thread]
        return JSONResponse(
            {**_build_thread(thread, mails), "count": len(thread), "messages": messages}
        )

    async def reply(request: Request) -> JSONResponse:
        message_id = request.path_params["message"]
        reply_to = next(mail for mail in mails if mail.message_id == message_id)
        sent = {
            "message_id": f"<reply{message_id[1:]}",
            "thread_id": get_agentmail_thread_id(reply_to, mails),
        }
        return JSONResponse(sent)

    inbox = "/v0/inboxes/{inbox}"
    return Starlette(
        routes=[
            Route(f"{inbox}/threads", list_threads),
            Route(f"{inbox}/threads/{{thread}}", get_thread),
            Route(f"{inbox}/messages/{{message}}/reply", reply, methods=["POST"]),
        ]
    )


@contextmanager
def serve_agentmail_api(mails: Sequence[Mail]) -> Iterator[str]:
    """Serve this mailbox as AgentMail's API until the block ends; yield its URL.

    It has as much of the API as AgentMail's toolkit needs for the scenario, with the fields of its
    SDK's types. `extracted_html` is left out, in favour of AgentMail: a model would be sent the
    HTML twice.
    """
    with serve_app(_build_agentmail_app(mails)) as url:
        yield url
