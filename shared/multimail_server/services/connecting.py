"""Connected accounts: mailboxes that stay at their provider. How they begin, end, and are."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from ..auth import Principal
from ..errors import conflict, not_found
from ..oversight import Event, Mode, State
from ..sources.account import AccountOptions, LoginRefusedError, Secret
from ..sources.imap import FolderState, ImapSession
from ..sources.tokens import TokenSource
from ..store.protocol import Reader, Tx
from ..store.records import (
    Account,
    ConnectedAccount,
    ConnectedFolder,
    ConnectionState,
    Mailbox,
    Message,
    TaskKind,
)
from .accounts import AccountService
from .context import AppContext
from .transitions import add_task, apply_event

SOURCE = "source"
"""The mailbox setting that says where its mail comes from; absent for SMTP."""
IMAP = "imap"
_CANCELLED = (State.PENDING_SEND_APPROVAL, State.SCHEDULED, State.SCHEDULED_FIRST)
_ERASED = (State.UNREAD, State.READ, State.ARCHIVED, State.REJECTED, State.SPAM_FLAGGED,
           State.PENDING_INBOUND_APPROVAL, State.SPAM_QUARANTINED, State.SENT, State.SEND_FAILED,
           State.CANCELLED, State.EXPIRED)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """What `connect` was asked for.

    Attributes:
        address: The address of the mailbox.
        login: The login name at the provider.
        options: The hosts and the rest.
        secret: What signs in.
        folder: What the folder for new mail holds: all of it is older mail.
        mode: The oversight mode of a mailbox that is new here.
    """

    address: str
    login: str
    options: AccountOptions
    secret: Secret = field(repr=False)
    folder: FolderState
    mode: Mode = Mode.GATED_SEND


@dataclass(frozen=True, slots=True)
class Connected:
    """The result of `connect`; `keys` are live keys, where the account had only test keys."""

    mailbox: Mailbox
    keys: Mapping[str, str] | None = field(default=None, repr=False)


def is_connected(mailbox: Mailbox) -> bool:
    """Return whether a mailbox stays at its provider."""
    return mailbox.settings.get(SOURCE) == IMAP


def get_source(mailbox: Mailbox) -> str:
    """Return where a mailbox's mail comes from: `smtp` or `imap`."""
    return str(mailbox.settings.get(SOURCE, "smtp"))


class ConnectionService:
    """`multimail connect` and `disconnect`, and the state of each account."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._accounts = AccountService(context)

    def connect(self, wanted: ConnectionRequest, account_id: str | None = None) -> Connected:
        """Connect a mailbox, or change how a connected one signs in.

        The login was tried before. In a new data file the account is created, without keys.

        Args:
            wanted: What to connect.
            account_id: The account of this server that asks; None for the first.
        Raises:
            ApiError: The address is a mailbox of another account (409).
        """
        context, now = self._context, self._context.now()
        sealed = context.secrets.seal(wanted.secret)
        address = wanted.address.lower()

        def work(tx: Tx) -> Connected:
            account = tx.account(account_id) if account_id else tx.first_account()
            if account is None:
                account = Account(context.ids.new("acc"), "default", now)
                tx.put(account)
            box = tx.mailbox_by_address(address) or Mailbox(
                context.ids.new("mbx"), account.id, address, "", wanted.mode, now
            )
            if box.account_id != account.id:
                raise conflict("address_taken", f"{address} is a mailbox of another account here.")
            box = replace(box, settings={**box.settings, SOURCE: IMAP})
            tx.put(box)
            before = tx.connected_account(box.id)
            tx.put(
                ConnectedAccount(
                    mailbox_id=box.id,
                    account_id=box.account_id,
                    login=wanted.login,
                    options=wanted.options.as_data(),
                    secret=sealed,
                    connected_at=before.connected_at if before else now,
                    state=ConnectionState.CONNECTING,
                    checked_at=now,
                )
            )
            if before is None:
                there = wanted.folder
                tx.put(
                    ConnectedFolder(
                        box.id, wanted.options.folder, there.uid_validity, 0, there.uid_next - 1
                    )
                )
            principal = Principal.system(box.account_id)
            resource = ("mailbox", box.id)
            host = str(wanted.options.imap)
            context.audit(tx, principal, "mailbox.connect", resource, mailbox_id=box.id, host=host)
            keys = [key for key in tx.keys(box.account_id) if key.revoked_at is None]
            lacks_live = bool(keys) and not any(key.live for key in keys)
            made = (
                self._accounts.create_first_keys(tx, box.account_id, live=True)
                if lacks_live
                else None
            )
            return Connected(box, made)

        connected = context.write(work)
        context.wakeups.notify()
        return connected

    def disconnect(
        self, address: str, *, erase: bool = False, account_id: str | None = None
    ) -> int:
        """Disconnect a mailbox: it is retired here, and stays as it is at the provider.

        Args:
            address: Of the mailbox.
            erase: Whether the copies of its mail are erased, too.
            account_id: The account of this server that asks; None for any.
        Returns:
            How many held or scheduled messages were cancelled.
        Raises:
            ApiError: No such account is connected (404).
        """
        context, now = self._context, self._context.now()

        def work(tx: Tx) -> int:
            box = tx.mailbox_by_address(address.lower())
            is_mine = box is not None and account_id in (None, box.account_id)
            if box is None or not is_mine or tx.connected_account(box.id) is None:
                raise not_found("connected account", address)
            held = tx.messages_in_states(box.id, _CANCELLED)
            for message in held:
                apply_event(tx, message, Event.CANCELLED, now, context.pending_ttl)
            tx.remove_connected_account(box.id)
            if erase:
                for message in tx.messages_in_states(box.id, _ERASED):
                    tx.purge_content(message.id)
                    apply_event(tx, message, Event.PURGED, now, context.pending_ttl, subject="")
            tx.put(replace(box, deleted_at=now))
            principal = Principal.system(box.account_id)
            context.audit(
                tx, principal, "mailbox.disconnect", ("mailbox", box.id), mailbox_id=box.id,
                cancelled=len(held), erased=erase,
            )  # fmt: skip
            return len(held)

        cancelled = context.write(work)
        context.wakeups.notify()
        return cancelled

    def list_accounts(self) -> list[tuple[Mailbox, ConnectedAccount]]:
        """Return every connected account with its mailbox."""

        def work(tx: Reader) -> list[tuple[Mailbox, ConnectedAccount]]:
            pairs = ((tx.mailbox(row.mailbox_id), row) for row in tx.connected_accounts())
            return [(box, row) for box, row in pairs if box is not None and not box.deleted_at]

        return self._context.store.read(work)

    def get_accounts(self, account_id: str) -> dict[str, ConnectedAccount]:
        """Return the connected accounts of an account of this server, by the mailbox."""
        rows = self._context.store.read(lambda tx: tx.connected_accounts())
        return {row.mailbox_id: row for row in rows if row.account_id == account_id}

    def set_state(self, account: ConnectedAccount, state: ConnectionState, detail: str) -> None:
        """Record how an account is, if that changed and it is still connected as it was."""

        def work(tx: Tx) -> None:
            now = tx.connected_account(account.mailbox_id)
            if now is not None and is_same_account(self._context, now, account):
                tx.put(replace(now, state=state, detail=detail, checked_at=self._context.now()))

        known = self._context.store.read(lambda tx: tx.connected_account(account.mailbox_id))
        if known is not None and (known.state, known.detail) != (state, detail):
            self._context.write(work)


_making_sources = threading.Lock()


def get_tokens(context: AppContext, account: ConnectedAccount) -> TokenSource:
    """Return what gives an account's credentials: one in this process, as tokens are kept.

    Raises:
        AccountError: The account's secret cannot be decrypted.
    """
    with _making_sources:
        known = context.token_sources.get(account.mailbox_id)
        if known is None or known[0] != account.secret:
            secret = context.secrets.open(account.secret)
            source = TokenSource(account.login, secret, partial(_keep_secret, context, account))
            known = context.token_sources[account.mailbox_id] = (account.secret, source)
        return known[1]


def _keep_secret(context: AppContext, account: ConnectedAccount, secret: Secret) -> None:
    """Store the refresh token that replaces the account's."""
    sealed = context.secrets.seal(secret)

    def work(tx: Tx) -> None:
        row = tx.connected_account(account.mailbox_id)
        if row is not None and row.login == account.login:
            tx.put(replace(row, secret=sealed))

    source = context.token_sources[account.mailbox_id][1]
    context.token_sources[account.mailbox_id] = (sealed, source)
    context.write(work)


def is_same_account(context: AppContext, now: ConnectedAccount, before: ConnectedAccount) -> bool:
    """Return whether an account signs in as before, but for a refresh token that was replaced."""
    known = context.token_sources.get(now.mailbox_id)
    is_renewed = known is not None and known[0] == now.secret
    same = (now.login, now.options) == (before.login, before.options)
    return same and (now.secret == before.secret or is_renewed)


def open_session(context: AppContext, account: ConnectedAccount) -> ImapSession:
    """Return a session of an account; a token that was kept and is refused is fetched again.

    Raises:
        LoginRefusedError: The provider refuses the login.
        AccountError: The account cannot be used now.
    """
    options, tokens = AccountOptions.from_data(account.options), get_tokens(context, account)
    try:
        return ImapSession(options, tokens.get())
    except LoginRefusedError:
        if not tokens.forget():
            raise
        return ImapSession(options, tokens.get())


def add_sent_tasks(tx: Tx, message: Message, now: datetime) -> None:
    """Note what is to do at the provider once a message was sent by a connected account."""
    if not message.live:
        return
    add_task(tx, message, TaskKind.FILE, now)
    original = tx.message(message.replies_to_id) if message.replies_to_id else None
    if original is not None:
        add_task(tx, original, TaskKind.ANSWERED, now)
