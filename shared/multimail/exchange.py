"""The exchange: an operation turned into requests and pauses, with mailboxes and retries settled.

Pure: it is told the answers. The two loops in `client` do what it asks, one in each colour.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import httpx

from .call import Call, Operation, Pause, Retry, may_have_happened, network_error
from .endpoints.checks import named
from .endpoints.mailboxes import list_mailboxes
from .errors import MultiMailError
from .mailbox_book import MailboxBook

T = TypeVar("T")

_CHANGES_MAILBOXES = frozenset(
    {"create_mailbox", "update_mailbox", "configure_mailbox", "delete_mailbox"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to make now.

    Attributes:
        method: HTTP method.
        path: Path below the base URL, percent-encoded.
        call: What it serves.
        query: The query parameters.
        content: The body.
    """

    method: str
    path: str
    call: Call[Any] = field(repr=False)
    query: dict[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)


Step: TypeAlias = Request | Pause
Steps: TypeAlias = Generator[Step, httpx.Response | None, T]


def steps_of(operation: Operation[T], book: MailboxBook, retry: Retry) -> Steps[T]:
    """Carry out an operation as requests and pauses.

    Raises:
        MultiMailError: As the operation's calls do.
    """
    running = iter(operation)
    try:
        step = next(running)
        while True:
            try:
                outcome = yield from _step(step, book, retry)
            except MultiMailError as error:
                step = running.throw(error)
            else:
                step = running.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _step(step: Call[Any] | Pause, book: MailboxBook, retry: Retry) -> Steps[Any]:
    if isinstance(step, Pause):
        yield step
        return None
    path, mailbox_id = step.path, None
    if "{mailbox}" in path:
        mailbox_id = yield from _mailbox_id(step, book, retry)
        path = path.replace("{mailbox}", quote(mailbox_id, safe=""))
    result = yield from _exchange(step, path, retry)
    if step.operation in _CHANGES_MAILBOXES:
        book.forget()
    _remember(book, mailbox_id, result)
    return result


def _remember(book: MailboxBook, mailbox_id: str | None, result: Any) -> None:
    rows = getattr(result, "messages", None)
    for one in (result, *(rows if isinstance(rows, list) else [])):
        owner = getattr(one, "mailbox_id", None) or mailbox_id
        if isinstance(owner, str) and owner:
            book.remember(owner, getattr(one, "id", None), getattr(one, "thread_id", None))


def _exchange(call: Call[T], path: str, retry: Retry) -> Steps[T]:
    request = Request(call.method, path, call, call.query(), call.body())
    tried, unsure = 0, False
    while True:
        tried += 1
        try:
            response = yield request
        except httpx.RequestError as fault:
            unsure = unsure or may_have_happened(call, fault)
            wait = retry.after_fault(call, fault, tried)
            if wait is None:
                raise network_error(call, fault, tried, unsure=unsure) from _bare(fault)
        else:
            assert response is not None
            wait = retry.after_answer(call, response, tried)
            if wait is None:
                return call.result(response, unsure=unsure)
            unsure = unsure or may_have_happened(call, response)
        yield Pause(wait)


def _bare(fault: BaseException) -> BaseException:
    """Drop the frames of a transport fault: their locals hold the request's headers."""
    link: BaseException | None = fault
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return fault


def _mailbox_id(call: Call[Any], book: MailboxBook, retry: Retry) -> Steps[str]:
    wanted = call.mailbox or book.owner(call.about) or book.default
    if wanted is not None and "@" not in wanted:
        return named(wanted, "mailbox")
    found = book.find(wanted)
    if found is None:
        listing = list_mailboxes()
        book.learn((yield from _exchange(listing, listing.path, retry)))
        found = book.find(wanted)
    if found is None:
        raise book.missing(wanted)
    return found.id
