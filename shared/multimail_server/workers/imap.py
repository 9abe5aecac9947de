"""The workers of connected accounts: a thread for each reads new mail and does what is to do there.

One server at a time works on an account (a claim of the store). A session reads both folders, then
waits in IDLE, or polls where the server has none. Everything it has done is in the store, so a
connection that breaks at any moment is simply made again.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ..config import MAX_MESSAGE_BYTES
from ..oversight import HELD, Event, Mode
from ..services.connecting import (
    ConnectionService,
    get_tokens,
    is_same_account,
    open_session,
)
from ..services.context import AppContext
from ..services.importing import MAX_TASKS, ImportService, ReadMessage, decide_in_drafts
from ..services.threads import add_alias
from ..sources.account import AccountError, AccountOptions, LoginRefusedError
from ..sources.imap import FolderState, ImapSession, MessageHead
from ..sources.providers import get_provider
from ..sources.submission import build_relay
from ..store.protocol import Reader, Scope, StoreUnavailableError, Tx
from ..store.records import (
    ConnectedAccount,
    ConnectedFolder,
    ConnectedTask,
    ConnectionState,
    Content,
    Mailbox,
    Message,
    SignedHeaders,
    TaskKind,
)
from ..wakeups import Wakeup
from .relay import RecipientResult, RelayUnavailable
from .scheduler import CLAIM_RETRY_SECONDS, ScheduledWorker

_log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""How long one IDLE lasts (RFC 2177 asks for less than 29 minutes). Then Sent is read too."""
POLL_SECONDS = 20.0
"""How often a server without IDLE is asked."""
FILING_SECONDS = 30
"""How long a provider has to put a message that it submitted into Sent."""
_LOOK_SECONDS = 5.0
_MAX_BACKOFF = 300.0
REFUSED_SECONDS = (900.0, 3600.0, 14400.0)
"""The delays after refused logins: providers lock an account that is tried in a loop."""
WATCH_SECONDS = 60
"""How often a held reply in Drafts is looked for."""
DECIDED_SECONDS = 600
"""How long a held reply has to be gone from Drafts, and not sent, until it is rejected."""
_FLAGS = {TaskKind.SEEN: "\\Seen", TaskKind.ANSWERED: "\\Answered"}


class ConnectedAccounts(ScheduledWorker):
    """Keeps a thread for each connected account.

    Args:
        context: The application context.
        wakeup: Notified after a commit that connects or disconnects an account.
    """

    def __init__(self, context: AppContext, wakeup: Wakeup) -> None:
        super().__init__("accounts", context, wakeup)
        self._workers: dict[str, AccountWorker] = {}

    def work(self) -> None:
        """Start and stop threads until there is one for each account, as it is connected now."""
        wanted = {
            row.mailbox_id: row for _, row in ConnectionService(self._context).list_accounts()
        }
        for mailbox_id, worker in list(self._workers.items()):
            row = wanted.get(mailbox_id)
            if row is None or not worker.serves(row):
                worker.stop()
                del self._workers[mailbox_id]
        for mailbox_id, row in wanted.items():
            if mailbox_id not in self._workers:
                self._workers[mailbox_id] = AccountWorker(self._context, row)
                self._workers[mailbox_id].start()

    def next_due(self) -> datetime | None:
        """Return None: only a commit brings work."""
        return None

    def stop(self) -> None:
        """Stop every thread."""
        super().stop()
        for worker in self._workers.values():
            worker.stop()


class AccountWorker:
    """Works on one connected account in a thread of its own."""

    def __init__(self, context: AppContext, account: ConnectedAccount) -> None:
        self._context = context
        self._account = account
        self._stopping = threading.Event()
        self._wakeup, self._waker = socket.socketpair()
        self._wakeup.setblocking(False)
        self._waker.setblocking(False)
        self._service = ConnectionService(context)
        self._failures = self._refusals = 0  # since the account was last ready
        name = f"multimail-imap-{account.mailbox_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def serves(self, row: ConnectedAccount) -> bool:
        """Return whether the account is still connected in this way."""
        return is_same_account(self._context, row, self._account)

    def start(self) -> None:
        """Start the thread."""
        self._context.commits.subscribe(self.wake)
        self._context.clock.on_change(self.wake)
        self._thread.start()

    def stop(self) -> None:
        """End the session and the thread."""
        self._stopping.set()
        self._context.commits.unsubscribe(self.wake)
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look for work now; from any thread."""
        with suppress(OSError):  # It is awake already, or closed.
            self._waker.send(b"\0")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._context.store.claim(f"imap:{self._account.mailbox_id}") as claimed:
                    if claimed:
                        self._work()
                seconds = CLAIM_RETRY_SECONDS
            except LoginRefusedError as error:
                self._report(ConnectionState.REFUSED, str(error))
                seconds = REFUSED_SECONDS[min(self._refusals, len(REFUSED_SECONDS) - 1)]
                self._refusals += 1
            except (AccountError, StoreUnavailableError) as error:
                self._report(ConnectionState.WAITING, str(error))
                seconds = min(2.0**self._failures, _MAX_BACKOFF)
                seconds *= random.uniform(0.5, 1.5)  # noqa: S311
                self._failures += 1
            except Exception:
                _log.exception("Account %s failed and is tried again", self._account.login)
                seconds = _MAX_BACKOFF
            self._stopping.wait(seconds)

    def _report(self, state: ConnectionState, detail: str) -> None:
        _log.log(
            logging.INFO if state is ConnectionState.READY else logging.WARNING,
            "Connected account %s: %s%s", self._account.login, state.value,
            f": {detail}" if detail else "",
        )  # fmt: skip
        with suppress(StoreUnavailableError):
            self._service.set_state(self._account, state, detail)

    def _work(self) -> None:
        """Sign in and serve the account until the connection breaks or the worker stops."""
        mailbox_id = self._account.mailbox_id
        mailbox, account = self._context.store.read(
            lambda tx: (tx.mailbox(mailbox_id), tx.connected_account(mailbox_id))
        )
        if mailbox is None or mailbox.deleted_at or account is None:
            return
        options = AccountOptions.from_data(account.options)
        with open_session(self._context, account) as session:
            sync = AccountSync(self._context, mailbox, options, session, self._stopping.is_set)
            sync.read_folders()
            self._report(ConnectionState.READY, "")
            self._failures = self._refusals = 0
            while not self._stopping.is_set():
                seconds = sync.do_tasks()
                sync.read_inbox()
                self._wait(session, seconds)
                if not self._stopping.is_set():
                    sync.read_folders()

    def _wait(self, session: ImapSession, seconds: float | None) -> None:
        """Wait for new mail, for a task, or for the time of the next look."""
        can_idle = session.can_idle
        longest = IDLE_SECONDS if can_idle else POLL_SECONDS
        left = min(longest, seconds) if seconds is not None else longest
        if can_idle:
            session.idle(self._wakeup, left, self._is_needed)
        else:
            session.wait(self._wakeup, left, self._is_needed)
            session.noop()

    def _is_needed(self) -> bool:
        """Take the wakeups; return whether there is more to do than to wait."""
        with suppress(BlockingIOError):
            while self._wakeup.recv(4096):
                pass
        if self._stopping.is_set():
            return True
        now = self._context.now()
        return self._context.store.read(
            lambda tx: any(
                _is_due(tx, task, now)
                for task in tx.connected_tasks(self._account.mailbox_id, MAX_TASKS)
            )
        )


def _is_due(tx: Reader, task: ConnectedTask, now: datetime) -> bool:
    """Return whether a task is worth more than to wait on."""
    age = (now - task.created_at).total_seconds()
    if task.kind is TaskKind.FILE:
        return age < _LOOK_SECONDS or age >= FILING_SECONDS
    if task.kind is TaskKind.WATCH:
        message = tx.message(task.message_id)
        return age >= WATCH_SECONDS or message is None or message.status not in HELD
    return True


@dataclass(frozen=True, slots=True)
class _TaskMessage:
    """A task with what it is about."""

    task: ConnectedTask
    message: Message | None
    content: Content | None
    signed: SignedHeaders | None


class AccountSync:
    """What is done in one session of an account."""

    def __init__(
        self,
        context: AppContext,
        mailbox: Mailbox,
        options: AccountOptions,
        session: ImapSession,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._context, self._mailbox, self._options = context, mailbox, options
        self._session, self._is_stopping = session, is_stopping
        self._imports = ImportService(context)
        self._form = get_provider(options.provider)
        self._sent = session.find_folder("Sent")
        self._drafts = session.find_folder("Drafts") if options.handover == "draft" else None
        self._actions: dict[TaskKind, Callable[[_TaskMessage], bool]] = {
            TaskKind.FILE: self._file, TaskKind.DRAFT: self._draft, TaskKind.WATCH: self._watch
        }  # fmt: skip
        account = context.store.read(lambda tx: tx.connected_account(mailbox.id))
        start = account.connected_at if account else context.now()
        self._since: date = (start - timedelta(days=options.since_days)).date()

    @property
    def _read_only(self) -> bool:
        return self._mailbox.oversight_mode is Mode.READ_ONLY

    def read_folders(self) -> None:
        """Read Sent and the folder for new mail, which stays open.

        Sent comes first: who answers new mail sees what its person has answered already.
        """
        if self._sent is not None:
            self._read(self._sent, self._receive_own)
        self.read_inbox()

    def read_inbox(self) -> None:
        """Read the folder for new mail, and leave it open."""
        self._read(self._options.folder, self._receive)

    def _read(self, name: str, receive: Callable[[ConnectedFolder, ReadMessage], object]) -> None:
        # A server may report new mail with its reply to any command, and then never again: the
        # last command before the wait is the one whose reply is looked at.
        state = self._session.select(name, read_only=self._read_only)
        is_new = True
        while is_new and not self._is_stopping():
            self._read_new(name, state, receive)
            before, state = state, self._session.select(name, read_only=self._read_only)
            is_new = state != before

    def _read_new(
        self,
        name: str,
        state: FolderState,
        receive: Callable[[ConnectedFolder, ReadMessage], object],
    ) -> None:
        folder = self._imports.open_folder(self._mailbox, name, state.uid_validity, state.uid_next)
        uids = self._session.list_uids(folder.last_uid + 1, self._since)
        for head in self._session.fetch_heads(uids):
            if self._is_stopping():
                return
            read = self._fetch(folder, head)
            if read is None:
                self._imports.skip(self._mailbox, folder, head.uid)
            else:
                receive(folder, read)

    def _fetch(self, folder: ConnectedFolder, head: MessageHead) -> ReadMessage | None:
        """Return a message; None if it is known, or gone."""
        is_again = folder.history_uid == 0 and head.message_id
        if is_again and self._imports.knows(self._mailbox.id, head.message_id, head.size):
            return None
        is_whole = head.size <= MAX_MESSAGE_BYTES
        raw = self._session.fetch(
            head.uid, "" if is_whole else "HEADER", None if is_whole else MAX_MESSAGE_BYTES
        )
        if raw is None:
            return None
        return ReadMessage(head.uid, raw, head.received_at, is_whole, head.size)

    def _receive(self, folder: ConnectedFolder, read: ReadMessage) -> None:
        self._imports.receive(self._mailbox, folder, read, self._form)

    def _receive_own(self, folder: ConnectedFolder, read: ReadMessage) -> None:
        self._imports.receive_own(self._mailbox, folder, read)

    def do_tasks(self) -> float | None:
        """Do what is to do at the provider; return in how many seconds to look again."""
        waits = False
        for item in self._context.store.read(self._load_tasks):
            if self._is_stopping():
                return 0.0
            do = self._actions.get(item.task.kind, self._set_flag)
            done = do(item)
            waits = waits or (not done and item.task.kind is TaskKind.FILE)
            if done:
                self._finish(item.task)
        return _LOOK_SECONDS if waits else None

    def _load_tasks(self, tx: Reader) -> list[_TaskMessage]:
        return [
            _TaskMessage(task, tx.message(task.message_id), tx.content(task.message_id),
                         tx.signed_headers(task.message_id))
            for task in tx.connected_tasks(self._mailbox.id, MAX_TASKS)
        ]  # fmt: skip

    def _finish(self, task: ConnectedTask) -> None:
        scope = Scope.of_part(self._mailbox.account_id, self._mailbox.id)
        self._context.write(
            lambda tx: tx.remove_connected_task(task.message_id, task.kind.value), scope
        )

    def _set_flag(self, item: _TaskMessage) -> bool:
        message = item.message
        if message is None or message.rfc_message_id is None or self._read_only:
            return True
        self._session.select(self._options.folder, read_only=False)
        uids = self._session.find_by_header("Message-ID", message.rfc_message_id)
        self._session.add_flag(uids, _FLAGS[item.task.kind])
        return True

    def _file(self, item: _TaskMessage) -> bool:
        """See that a sent message is in Sent once; return whether it is."""
        message, content = item.message, item.content
        if message is None or content is None or message.rfc_message_id is None:
            return True
        sent = self._sent or self._create_sent()
        self._session.select(sent, read_only=self._read_only)
        if self._find_copy(message, item.signed):
            return True
        waited = self._context.now() - item.task.created_at
        if waited < timedelta(seconds=FILING_SECONDS):
            return False
        head = item.signed.head if item.signed else b""
        self._session.append(sent, head + content.raw, ["\\Seen"], self._context.now())
        return True

    def _draft(self, item: _TaskMessage) -> bool:
        """Put a held reply into Drafts, in place of an earlier revision of it."""
        message, content = item.message, item.content
        if message is None or content is None or message.status not in HELD:
            return True
        if self._drafts is None:
            self._session.create_folder("Drafts")
            self._drafts = "Drafts"
        before = self._find_draft(message)
        now = self._context.now()
        self._session.append(self._drafts, content.raw, ["\\Draft", "\\Seen"], now)
        self._session.delete(before)
        self._put(replace(item.task, kind=TaskKind.WATCH, created_at=now))
        return True

    def _watch(self, item: _TaskMessage) -> bool:
        """See whether a held reply is still in Drafts; return whether there is a decision on it.

        What its person sends is found when Sent is read, which is before this.
        """
        message, now = item.message, self._context.now()
        if message is None or self._drafts is None:
            return True
        drafts = self._find_draft(message)
        if message.status not in HELD:
            self._session.delete(drafts)
            return True
        original = message.in_reply_to or ""
        if drafts or (original and self._session.find_by_header("In-Reply-To", original)):
            self._put(replace(item.task, created_at=now))
            return False
        if now - item.task.created_at < timedelta(seconds=DECIDED_SECONDS):
            return False

        def reject(tx: Tx) -> None:
            held = tx.message(message.id)
            if held is not None and held.status in HELD:
                decide_in_drafts(self._context, tx, held, Event.REJECTED, "its person deleted it")

        self._context.write(reject, Scope.of_message(message))
        return True

    def _find_draft(self, message: Message) -> list[int]:
        """Open Drafts, and return the server's own draft of a message, as it was put there."""
        self._session.select(self._drafts or "", read_only=False)
        return self._session.find_by_header("Message-ID", message.rfc_message_id or "")

    def _put(self, task: ConnectedTask) -> None:
        def work(tx: Tx) -> None:
            if tx.connected_account(task.mailbox_id) is not None:
                tx.put(task)

        self._context.write(work, Scope.of_part(self._mailbox.account_id, self._mailbox.id))

    def _create_sent(self) -> str:
        self._session.create_folder("Sent")
        self._sent = "Sent"
        return self._sent

    def _find_copy(self, message: Message, signed: SignedHeaders | None) -> bool:
        """Return whether the open folder has a message, under whatever Message-ID."""
        own = message.rfc_message_id or ""
        copies = find_copies(self._session, own, signed)
        for head in self._session.fetch_heads(copies):
            if head.message_id not in ("", own):
                self._add_alias(message, head.message_id)
        return bool(copies)

    def _add_alias(self, message: Message, rfc_id: str) -> None:
        def work(tx: Tx) -> None:
            current = tx.message(message.id)
            if current is not None:
                add_alias(tx, current, rfc_id)

        self._context.write(work, Scope.of_message(message))


def find_copies(session: ImapSession, rfc_id: str, signed: SignedHeaders | None) -> list[int]:
    """Return the UIDs of the copies of a sent message in the open folder.

    A provider that replaces the Message-ID keeps the old one in a field of its own, or leaves this
    server's own field, which is different for each message.
    """
    for name in ("Message-ID", "X-Microsoft-Original-Message-ID"):
        if found := session.find_by_header(name, rfc_id):
            return found
    head = signed.head if signed else b""
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.decode("ascii", "replace").partition(":")
        if name.lower() == "x-multimail-identity":
            return session.find_by_header(name, value.rpartition("s=")[2].strip()[:40])
    return []


@dataclass(frozen=True, slots=True)
class LazySubmission:
    """The submission of a connected account, which is opened when it sends. See `Relay`.

    Where an earlier attempt has no answer, because the connection or this process ended, the
    message can be sent: it is looked for in Sent first.

    Attributes:
        rfc_id: The Message-ID.
        earlier: The headers of an earlier attempt; None if there was none.
        answered: The recipients that the submission has answered for; the message is not in Sent
            for those that are still to be sent to.
    """

    context: AppContext
    account: ConnectedAccount
    rfc_id: str | None = None
    earlier: SignedHeaders | None = None
    answered: frozenset[str] = frozenset()

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Send one message; see `Relay`."""
        options = AccountOptions.from_data(self.account.options)
        uncertain = [address for address in recipients if address not in self.answered]
        try:
            is_sent = bool(uncertain) and self._is_in_sent()
            credentials = get_tokens(self.context, self.account).get()
        except AccountError as error:
            raise RelayUnavailable(str(error)) from None
        if not is_sent:
            return build_relay(options, credentials).send(mail_from, recipients, raw)
        results = dict.fromkeys(uncertain, _FOUND)
        rest = [address for address in recipients if address in self.answered]
        if rest:
            results |= build_relay(options, credentials).send(mail_from, rest, raw)
        return results

    def _is_in_sent(self) -> bool:
        if self.earlier is None or self.rfc_id is None:
            return False
        with open_session(self.context, self.account) as session:
            sent = session.find_folder("Sent")
            if sent is None:
                return False
            session.select(sent, read_only=True)
            return bool(find_copies(session, self.rfc_id, self.earlier))


_FOUND = RecipientResult(
    accepted=True, code=250, detail="in Sent, after its answer was lost", permanent=False
)
