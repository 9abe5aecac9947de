"""Client methods: each endpoint as a method of both clients, typed for each."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from . import endpoints as api
from ._aliases import (
    DecideEmailMethod,
    OneMessage,
    ReadEmailMethod,
    ReplyEmailMethod,
    SendEmailMethod,
    TagEmailMethod,
    resolve_aliases,
)
from ._call import Operation
from .models import Cancellation, Decision, Email, Page, SendResult, Tags, WireModel

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=WireModel)
SyncMethod = TypeVar("SyncMethod")
AsyncMethod = TypeVar("AsyncMethod")


class SyncRunner(Protocol):
    """A client that runs an operation and returns its result."""

    def run(self, operation: Operation[T], /) -> T: ...
    def __enter__(self) -> Any: ...


class AsyncRunner(Protocol):
    """A client that runs an operation and returns an awaitable of its result."""

    def run(self, operation: Operation[T], /) -> Awaitable[T]: ...
    def __aenter__(self) -> Any: ...


class ClientMethod:
    """Base class of the descriptors that turn an endpoint into a client method."""

    def __init__(self, build: Callable[..., Operation[Any]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__


class endpoint(ClientMethod, Generic[P, T]):  # noqa: N801
    """A method that runs the operation: it returns the result, or an awaitable of it."""

    def __init__(self, build: Callable[P, Operation[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Operation[T]]: ...
    @overload
    def __get__(self, client: SyncRunner, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self.build
        build, run = self.build, client.run

        @functools.wraps(build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(build(*args, **kwargs))

        return method


class aliased(ClientMethod, Generic[SyncMethod, AsyncMethod]):  # noqa: N801
    """An `endpoint` whose arguments have aliases; its types list the accepted forms of a call."""

    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Operation[Any]]: ...
    @overload
    def __get__(self, client: SyncRunner, owner: type) -> SyncMethod: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> AsyncMethod: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self.build
        build, run = self.build, client.run

        @functools.wraps(build)
        def method(*args: Any, **kwargs: Any) -> Any:
            return run(build(*args, **resolve_aliases(build, args, kwargs)))

        return method


class paginated(ClientMethod, Generic[P, Row]):  # noqa: N801
    """A method that requests all pages of a listing, and iterates over their rows."""

    def __init__(self, build: Callable[P, Operation[Page[Row]]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, client: None, owner: type) -> paginated[P, Row]: ...
    @overload
    def __get__(self, client: SyncRunner, owner: type) -> Callable[P, Iterator[Row]]: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> Callable[P, AsyncIterator[Row]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        is_async = hasattr(client, "__aenter__")
        iterate = self._aiterate if is_async else self._iterate
        return functools.partial(iterate, client.run)

    def _iterate(self, run: Any, *args: Any, **kwargs: Any) -> Iterator[Row]:
        while True:
            page = run(self.build(*args, **kwargs))
            yield from page
            if not page.cursor:
                return
            kwargs["cursor"] = page.cursor

    async def _aiterate(self, run: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Row]:
        while True:
            page = await run(self.build(*args, **kwargs))
            for row in page:
                yield row
            if not page.cursor:
                return
            kwargs["cursor"] = page.cursor


class Methods:
    """The methods of both clients; `multimail.endpoints` documents their arguments."""

    check_inbox = endpoint(api.check_inbox)
    iter_inbox = paginated(api.check_inbox)
    search_email = endpoint(api.search_email)
    iter_search = paginated(api.search_email)
    read_email: aliased[ReadEmailMethod[Email], ReadEmailMethod[Awaitable[Email]]] = aliased(
        api.read_email
    )
    read_raw = endpoint(api.read_raw)
    get_thread = endpoint(api.get_thread)
    wait_for_email = endpoint(api.wait_for_email)
    download_attachment = endpoint(api.download_attachment)
    get_attachment = endpoint(api.get_attachment)

    send_email: aliased[SendEmailMethod[SendResult], SendEmailMethod[Awaitable[SendResult]]] = (
        aliased(api.send_email)
    )
    reply_email: aliased[ReplyEmailMethod[SendResult], ReplyEmailMethod[Awaitable[SendResult]]] = (
        aliased(api.reply_email)
    )
    forward_email = endpoint(api.forward_email)
    cancel_message: aliased[OneMessage[Cancellation], OneMessage[Awaitable[Cancellation]]] = (
        aliased(api.cancel_message)
    )
    reschedule_email = endpoint(api.reschedule_email)
    revise_message = endpoint(api.revise_message)

    get_tags = endpoint(api.get_tags)
    set_tags = endpoint(api.set_tags)
    tag_email: aliased[TagEmailMethod[Tags], TagEmailMethod[Awaitable[Tags]]] = aliased(
        api.tag_email
    )
    delete_tag = endpoint(api.delete_tag)

    mark_email = endpoint(api.mark_email)
    list_spam = endpoint(api.list_spam)
    report_spam = endpoint(api.report_spam)
    report_not_spam = endpoint(api.report_not_spam)

    list_pending = endpoint(api.list_pending)
    decide_email: aliased[DecideEmailMethod[Decision], DecideEmailMethod[Awaitable[Decision]]] = (
        aliased(api.decide_email)
    )
    get_approval = endpoint(api.get_approval)
    approve_by_token = endpoint(api.approve_by_token)

    list_mailboxes = endpoint(api.list_mailboxes)
    get_mailbox = endpoint(api.get_mailbox)
    create_mailbox = endpoint(api.create_mailbox)
    update_mailbox = endpoint(api.update_mailbox)
    configure_mailbox = endpoint(api.configure_mailbox)
    delete_mailbox = endpoint(api.delete_mailbox)
    request_upgrade = endpoint(api.request_upgrade)
    redeem_upgrade = endpoint(api.redeem_upgrade)

    search_contacts = endpoint(api.search_contacts)
    add_contact = endpoint(api.add_contact)
    delete_contact = endpoint(api.delete_contact)

    get_account = endpoint(api.get_account)
    update_account = endpoint(api.update_account)
    delete_account = endpoint(api.delete_account)
    export_account = endpoint(api.export_account)
    get_usage = endpoint(api.get_usage)
    get_audit_log = endpoint(api.get_audit_log)
    iter_audit_log = paginated(api.get_audit_log)

    list_api_keys = endpoint(api.list_api_keys)
    create_api_key = endpoint(api.create_api_key)
    update_api_key = endpoint(api.update_api_key)
    revoke_api_key = endpoint(api.revoke_api_key)

    list_webhooks = endpoint(api.list_webhooks)
    create_webhook = endpoint(api.create_webhook)
    get_webhook = endpoint(api.get_webhook)
    delete_webhook = endpoint(api.delete_webhook)
    list_webhook_deliveries = endpoint(api.list_webhook_deliveries)

    list_domains = endpoint(api.list_domains)
    add_domain = endpoint(api.add_domain)
    get_domain = endpoint(api.get_domain)
    verify_domain = endpoint(api.verify_domain)
    delete_domain = endpoint(api.delete_domain)

    list_suppressions = endpoint(api.list_suppressions)
    remove_suppression = endpoint(api.remove_suppression)

    get_health = endpoint(api.get_health)
    get_signing_key = endpoint(api.get_signing_key)
