"""Execution of operations: mailbox lookup, retries and error handling.

Performs no I/O. `execute` yields requests and pauses; the sync and async clients carry them out
and send the responses back in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from ._call import Call, Operation, Pause, Retry, build_network_error, may_have_been_applied
from ._forks import reset_after_fork
from ._http import Response
from ._transport_errors import TransportError
from .endpoints._arguments import check_id
from .endpoints._mailboxes import find_mailbox, list_mailboxes, mailbox_not_found
from .errors import MultiMailError
from .models import Mailbox

T = TypeVar("T")

_MAX_CACHED_IDS = 4096
_MAILBOX_CHANGES = frozenset(
    {"create_mailbox", "update_mailbox", "configure_mailbox", "delete_mailbox"}
)


class MailboxCache:
    """Caches a client's mailboxes, and the mailbox and thread of the messages it has seen.

    Args:
        default: The mailbox to use if a call names none; None for the account's only mailbox.
    """

    def __init__(self, default: str | None = None) -> None:
        self.default = default
        self._mailboxes: tuple[Mailbox, ...] = ()
        self._mailbox_ids: OrderedDict[str, str] = OrderedDict()
        self._thread_ids: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def update(self, mailboxes: Iterable[Mailbox]) -> None:
        """Replace the listing of the account's mailboxes."""
        self._mailboxes = tuple(mailboxes)

    def clear(self) -> None:
        """Discard the listing, so that the next lookup requests it again."""
        self._mailboxes = ()

    def find(self, name: str | None) -> Mailbox | None:
        """Return the mailbox with this address or id; with None, the only one."""
        return find_mailbox(self._mailboxes, name)

    def remember(self, mailbox_id: str, email_id: object, thread_id: object) -> None:
        """Cache the mailbox of this email and thread, and the thread of this email."""
        with self._lock:
            for resource_id in (email_id, thread_id):
                if isinstance(resource_id, str) and resource_id:
                    _put(self._mailbox_ids, resource_id, mailbox_id)
            if isinstance(email_id, str) and isinstance(thread_id, str) and email_id and thread_id:
                _put(self._thread_ids, email_id, thread_id)

    def get_mailbox_id(self, resource_id: str | None) -> str | None:
        """Return the mailbox in which an email or thread was seen, or None."""
        with self._lock:
            return self._mailbox_ids.get(resource_id) if resource_id else None

    def get_thread_id(self, email_id: str) -> str | None:
        """Return the thread in which an email was seen, or None."""
        with self._lock:
            return self._thread_ids.get(email_id)

    def not_found_error(self, name: str | None) -> MultiMailError:
        """Return the error for a mailbox that `find` didn't return."""
        return mailbox_not_found(self._mailboxes, name)


def _put(cache: OrderedDict[str, str], key: str, value: str) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > _MAX_CACHED_IDS:
        cache.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to send.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, percent-encoded; or an absolute URL.
        call: The call that it belongs to.
        query: The query parameters.
        content: The body.
    """

    method: str
    path: str
    call: Call[Any] = field(repr=False)
    query: dict[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)


Step: TypeAlias = Request | Pause
Steps: TypeAlias = Generator[Step, Response | None, T]


def execute(operation: Operation[T], cache: MailboxCache, retry: Retry) -> Steps[T]:
    """Run an operation as a sequence of requests and pauses.

    Args:
        operation: The operation.
        cache: Resolves the mailboxes of its calls.
        retry: When to repeat a request.

    Returns:
        The operation's result.

    Raises:
        MultiMailError: As the operation's calls do.
    """
    iterator = iter(operation)
    try:
        step = next(iterator)
        while True:
            try:
                result = yield from _execute_step(step, cache, retry)
            except MultiMailError as error:
                step = iterator.throw(error)
            else:
                step = iterator.send(result)
    except StopIteration as stop:
        value: T = stop.value
        return value


def _execute_step(step: Call[Any] | Pause, cache: MailboxCache, retry: Retry) -> Steps[Any]:
    if isinstance(step, Pause):
        yield step
        return None
    path, mailbox_id = step.path, None
    if "{mailbox}" in path:
        mailbox_id = yield from _resolve_mailbox_id(step, cache, retry)
        path = path.replace("{mailbox}", quote(mailbox_id, safe=""))
    result = yield from _send_with_retries(step, path, retry)
    if step.operation in _MAILBOX_CHANGES:
        cache.clear()
    _remember_messages(cache, mailbox_id, result)
    return result


def _remember_messages(cache: MailboxCache, mailbox_id: str | None, result: Any) -> None:
    messages = getattr(result, "messages", None)
    for item in (result, *(messages if isinstance(messages, list) else [])):
        owner = getattr(item, "mailbox_id", None) or mailbox_id
        if isinstance(owner, str) and owner:
            cache.remember(owner, getattr(item, "id", None), getattr(item, "thread_id", None))


def _send_with_retries(call: Call[T], path: str, retry: Retry) -> Steps[T]:
    request = Request(call.method, path, call, call.encode_query(), call.encode_body())
    attempts, ambiguous = 0, False
    while True:
        attempts += 1
        try:
            response = yield request
        except TransportError as error:
            ambiguous = ambiguous or may_have_been_applied(call, error)
            delay = retry.delay_after_error(call, error, attempts)
            if delay is None:
                failure = build_network_error(call, error, attempts, ambiguous=ambiguous)
                raise failure from strip_tracebacks(error).cause
        else:
            assert response is not None
            delay = retry.delay_after_response(call, response, attempts)
            if delay is None:
                return call.parse_response(response, ambiguous=ambiguous)
            ambiguous = ambiguous or may_have_been_applied(call, response)
        yield Pause(delay)


def strip_tracebacks(error: TransportError) -> TransportError:
    """Remove the frames of a transport error: their locals hold the request's headers."""
    links: list[BaseException | None] = [error, error.cause]
    while links:
        link = links.pop()
        if link is not None and link.__traceback__ is not None:
            link.__traceback__ = None
            links += [link.__cause__, link.__context__]
            links += link.exceptions if isinstance(link, BaseExceptionGroup) else []
    return error


def _resolve_mailbox_id(call: Call[Any], cache: MailboxCache, retry: Retry) -> Steps[str]:
    name = call.mailbox or cache.get_mailbox_id(call.resource_id) or cache.default
    if name is not None and "@" not in name:
        return check_id(name, "mailbox")
    mailbox = cache.find(name)
    if mailbox is None:
        listing = list_mailboxes()
        cache.update((yield from _send_with_retries(listing, listing.path, retry)))
        mailbox = cache.find(name)
    if mailbox is None:
        raise cache.not_found_error(name)
    return mailbox.id
