"""AgentMail's API over the benchmark's mailbox: as much of it as its toolkit needs for the job.

The fields are those of its SDK's types. `extracted_html` is left out, in its favour: a model would
be sent the HTML twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from multimail_server.mail.html import html_to_markdown

from .apps import on_a_port
from .mails import Mail

INBOX = "agent@agentmail.to"
_MOMENT = "2026-03-02T08:00:00Z"


def thread_id(mail: Mail, mails: Sequence[Mail]) -> str:
    """Return the id of a message's thread."""
    first = mail
    while first.answers is not None:
        first = mails[first.answers]
    return f"00000000-0000-4000-8000-{first.number:012}"


def _message(mail: Mail, mails: Sequence[Mail]) -> dict[str, Any]:
    fresh = mail.fresh or (html_to_markdown(mail.html).text if mail.html else mail.text)
    facts = {
        **_common(mail, mails),
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": [INBOX],
        "text": mail.text or None,
        "html": mail.html or None,
        "extracted_text": fresh,
    }
    if mail.answers is not None:
        facts["in_reply_to"] = mails[mail.answers].message_id
    return {name: value for name, value in facts.items() if value is not None}


def _common(mail: Mail, mails: Sequence[Mail]) -> dict[str, Any]:
    return {
        "inbox_id": INBOX,
        "thread_id": thread_id(mail, mails),
        "labels": ["received", "unread"],
        "timestamp": _MOMENT,
        "subject": mail.subject,
        "preview": (mail.fresh or mail.subject)[:200],
        "size": len(mail.text) + len(mail.html),
        "updated_at": _MOMENT,
        "created_at": _MOMENT,
    }


def _thread(of: list[Mail], mails: Sequence[Mail]) -> dict[str, Any]:
    last = of[-1]
    return {
        **_common(last, mails),
        "received_timestamp": _MOMENT,
        "senders": sorted({one.sender for one in of}),
        "recipients": [INBOX],
        "last_message_id": last.message_id,
        "message_count": len(of),
    }


def _app(mails: Sequence[Mail]) -> Starlette:
    threads: dict[str, list[Mail]] = {}
    for mail in mails:
        threads.setdefault(thread_id(mail, mails), []).append(mail)
    newest = sorted(threads.values(), key=lambda of: -of[-1].number)

    async def listed(request: Request) -> JSONResponse:
        limit = int(request.query_params.get("limit", 10))
        rows = [_thread(of, mails) for of in newest[:limit]]
        return JSONResponse({"count": len(rows), "limit": limit, "threads": rows})

    async def shown(request: Request) -> JSONResponse:
        of = threads[request.path_params["thread"]]
        messages = [_message(one, mails) for one in of]
        return JSONResponse({**_thread(of, mails), "count": len(of), "messages": messages})

    async def replied(request: Request) -> JSONResponse:
        of = next(one for one in mails if one.message_id == request.path_params["message"])
        sent = {"message_id": f"<reply{of.message_id[1:]}", "thread_id": thread_id(of, mails)}
        return JSONResponse(sent)

    inbox = "/v0/inboxes/{inbox}"
    return Starlette(
        routes=[
            Route(f"{inbox}/threads", listed),
            Route(f"{inbox}/threads/{{thread}}", shown),
            Route(f"{inbox}/messages/{{message}}/reply", replied, methods=["POST"]),
        ]
    )


@contextmanager
def agentmail(mails: Sequence[Mail]) -> Iterator[str]:
    """Serve this mailbox until the block ends; yields the URL."""
    with on_a_port(_app(mails)) as url:
        yield url
