"""A session with an IMAP server (RFC 3501, 2177, 4315, 6154): what the worker needs, typed.

Nothing that reads sets a flag: bodies are fetched with BODY.PEEK. What deletes is for the server's
own drafts.
"""

from __future__ import annotations

import imaplib
import select
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from .account import AccountError, AccountOptions, LoginRefusedError, get_tls_context
from .tokens import Credentials

CONNECT_TIMEOUT = 20.0
READ_TIMEOUT = 90.0
PIECE_BYTES = 1024 * 1024
"""How much of a message one FETCH asks for: a cut connection costs no more than that."""
_SHORT_IDLE_SECONDS = 1.0
_HEADS = 500
"""How many messages one FETCH asks for the heads of."""
_CONNECTION_ERRORS = (OSError, imaplib.IMAP4.abort, ssl.SSLError, EOFError)
_SENT_NAMES = ("Sent", "Sent Items", "Sent Messages", "INBOX.Sent", "Gesendet")
_DRAFT_NAMES = ("Drafts", "INBOX.Drafts", "Entwürfe")


class ImapConnectionError(AccountError):
    """The connection failed, or the server said something that is not IMAP; try again."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """What SELECT or EXAMINE says of a folder."""

    uid_validity: int
    uid_next: int


@dataclass(frozen=True, slots=True)
class MessageHead:
    """What is known of a message before it is fetched."""

    uid: int
    size: int
    flags: tuple[str, ...]
    received_at: datetime
    message_id: str


class ImapSession:
    """An authenticated connection. A context manager; not thread-safe.

    Args:
        options: The account's hosts.
        credentials: What signs in.
        trace: The address that errors name.
    Raises:
        LoginRefusedError: The server refused the login.
        ImapConnectionError: It was not reached.
    """

    def __init__(self, options: AccountOptions, credentials: Credentials) -> None:
        self._host = options.imap
        self._client = self._connect()
        try:
            self._sign_in(credentials)
        except BaseException:
            self.close()
            raise
        self._selected: tuple[str, bool] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection without a word: what was begun is not acknowledged."""
        with suppress(Exception):
            self._client.shutdown()

    @property
    def can_idle(self) -> bool:
        """Whether the server reports new mail by itself (RFC 2177)."""
        return bool(self._call("CAPABILITY", lambda: self._client.has_capability("IDLE")))

    @property
    def socket(self) -> Any:
        """The socket, for `select`."""
        return self._client.socket()

    def select(self, folder: str, *, read_only: bool) -> FolderState:
        """Open a folder; with EXAMINE if `read_only`."""
        reply = self._call(
            f"SELECT {folder}", lambda: self._client.select_folder(folder, readonly=read_only)
        )
        self._selected = (folder, read_only)
        return FolderState(int(reply[b"UIDVALIDITY"]), int(reply.get(b"UIDNEXT", 0)))

    def list_uids(self, first: int, since: date) -> list[int]:
        """Return the UIDs from `first` on of messages that came on `since` or later, ascending."""
        criteria = ["UID", f"{max(first, 1)}:*", "SINCE", since]
        found = self._call("SEARCH", lambda: self._client.search(criteria))
        # `n:*` names the last message even where its UID is smaller (RFC 3501 section 6.4.8).
        return sorted(uid for uid in found if uid >= first)

    def find_by_header(self, name: str, value: str) -> list[int]:
        """Return the UIDs of messages in the open folder whose field contains `value`."""
        return sorted(self._call("SEARCH", lambda: self._client.search(["HEADER", name, value])))

    def fetch_heads(self, uids: Sequence[int]) -> Iterator[MessageHead]:
        """Yield what is known of these messages; one that is gone is left out."""
        fields = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
        items = ["UID", "RFC822.SIZE", "FLAGS", "INTERNALDATE", fields]
        for start in range(0, len(uids), _HEADS):
            part = list(uids[start : start + _HEADS])
            reply = self._call("FETCH", lambda part=part: self._client.fetch(part, items))
            for uid in part:
                if uid in reply and b"RFC822.SIZE" in reply[uid]:
                    yield _parse_head(uid, reply[uid])

    def fetch(self, uid: int, part: str = "", limit: int | None = None) -> bytes | None:
        """Return a message's bytes, fetched in pieces; None if it is gone.

        Args:
            uid: Which.
            part: The section, such as `HEADER`; empty for all of it.
            limit: Return at most this many bytes.
        """
        content = bytearray()
        while limit is None or len(content) < limit:
            item = f"BODY.PEEK[{part}]<{len(content)}.{PIECE_BYTES}>"
            reply = self._call("FETCH", lambda item=item: self._client.fetch([uid], [item]))
            if uid not in reply:
                return None
            key = f"BODY[{part}]<{len(content)}>".encode()
            piece = reply[uid].get(key) or b""
            content += piece
            if len(piece) < PIECE_BYTES:
                break
        return bytes(content if limit is None else content[:limit])

    def append(self, folder: str, raw: bytes, flags: Sequence[str], moment: datetime) -> None:
        """Put a message into a folder."""
        self._call(
            f"APPEND {folder}",
            lambda: self._client.append(folder, raw, [f.encode() for f in flags], moment),
        )

    def add_flag(self, uids: Sequence[int], flag: str) -> None:
        """Set a flag on messages of the open folder."""
        if uids:
            self._call("STORE", lambda: self._client.add_flags(list(uids), [flag.encode()], True))

    def delete(self, uids: Sequence[int]) -> None:
        """Delete messages of the open folder, and no others: without UIDPLUS they are marked."""
        self.add_flag(uids, "\\Deleted")
        if uids and self._call("CAPABILITY", lambda: self._client.has_capability("UIDPLUS")):
            self._call("EXPUNGE", lambda: self._client.uid_expunge(list(uids)))

    def find_folder(self, use: str) -> str | None:
        """Return the name of the account's folder for `Sent` or `Drafts` (RFC 6154), if any."""
        folders = self._call("LIST", self._client.list_folders)
        wanted = f"\\{use}".lower().encode()
        for flags, _, name in folders:
            if any(flag.lower() == wanted for flag in flags):
                return str(name)
        names = {str(name).lower(): str(name) for _, _, name in folders}
        known = _SENT_NAMES if use == "Sent" else _DRAFT_NAMES
        return next((names[name.lower()] for name in known if name.lower() in names), None)

    def create_folder(self, name: str) -> None:
        """Create a folder."""
        self._call("CREATE", lambda: self._client.create_folder(name))

    def noop(self) -> None:
        """Ask for news, and show that the session lives."""
        self._call("NOOP", self._client.noop)

    def idle(self, wakeup: Any, seconds: float, is_needed: Callable[[], bool]) -> None:
        """Wait in IDLE until the folder changes; see `wait`.

        A change just before IDLE may come in one packet with the server's "+", where no socket
        shows it. A short IDLE comes first, whose end returns what was said.
        """
        for part in (min(_SHORT_IDLE_SECONDS, seconds), seconds - _SHORT_IDLE_SECONDS):
            self._call("IDLE", self._client.idle)
            is_over = True
            try:
                is_over = self.wait(wakeup, part, is_needed)
            finally:
                _, news = self._call("IDLE", self._client.idle_done)
            if is_over or news:
                return

    def wait(self, wakeup: Any, seconds: float, is_needed: Callable[[], bool]) -> bool:
        """Wait until the server says something, or a wakeup is needed, or the time is over.

        Args:
            wakeup: A socket that is readable when there may be something to do.
            seconds: How long to wait.
            is_needed: Takes the wakeup; returns whether to wait no more.

        Returns:
            Whether something happened before the time was over.
        """
        deadline = time.monotonic() + seconds
        sock = self.socket
        while (left := deadline - time.monotonic()) > 0:
            if isinstance(sock, ssl.SSLSocket) and sock.pending():
                return True
            readable, _, _ = select.select([sock, wakeup], [], [], left)
            if sock in readable or (wakeup in readable and is_needed()):
                return True
        return False

    def _connect(self) -> Any:
        import imapclient  # With the first account: a server without one does not need it.

        host = self._host
        # Its annotation says float; its documentation names this, too.
        timeout: Any = imapclient.SocketTimeout(CONNECT_TIMEOUT, READ_TIMEOUT)
        try:
            client = imapclient.IMAPClient(
                host.name,
                host.port,
                ssl=host.has_implicit_tls,
                ssl_context=get_tls_context() if host.has_implicit_tls else None,
                timeout=timeout,
            )
            # Folder names and dates are compared with those of other servers.
            client.normalise_times = False
            if host.has_starttls:
                client.starttls(get_tls_context())
        except ssl.SSLCertVerificationError as error:
            raise ImapConnectionError(
                f"The certificate of {host} is not valid for it: {error.verify_message}."
            ) from None
        except (*_CONNECTION_ERRORS, imaplib.IMAP4.error) as error:
            raise ImapConnectionError(
                f"The IMAP server {host} was not reached ({_describe(error)})."
            ) from None
        return client

    def _sign_in(self, credentials: Credentials) -> None:
        from imapclient.exceptions import LoginError

        client = self._client
        try:
            if credentials.token is None:
                client.login(credentials.user, credentials.password)
            elif client.has_capability("AUTH=OAUTHBEARER"):
                client.oauthbearer_login(credentials.user, credentials.token)
            else:
                client.oauth2_login(credentials.user, credentials.token)
        except LoginError as error:
            # The library calls any failure so: also a lost connection, and a server that cannot
            # look up passwords now (RFC 5530 section 3).
            if isinstance(error.__context__, imaplib.IMAP4.abort) or "[UNAVAILABLE]" in str(error):
                raise ImapConnectionError(
                    f"{self._host} ended the connection during the login."
                ) from None
            raise LoginRefusedError(
                f"{self._host} refused the login of {credentials.user}: {credentials.advice}"
            ) from None
        except (*_CONNECTION_ERRORS, imaplib.IMAP4.error) as error:
            raise ImapConnectionError(
                f"{self._host} ended the connection during the login ({_describe(error)})."
            ) from None

    def _call(self, what: str, work: Any) -> Any:
        try:
            return work()
        except (*_CONNECTION_ERRORS, imaplib.IMAP4.error, ValueError) as error:
            raise ImapConnectionError(
                f"{self._host} did not carry out {what} ({_describe(error)})."
            ) from None


def _describe(error: Exception) -> str:
    return (
        type(error).__name__
        if not isinstance(error, OSError)
        else (error.strerror or type(error).__name__)
    )


def _parse_head(uid: int, reply: dict[bytes, Any]) -> MessageHead:
    header = next((value for key, value in reply.items() if key.startswith(b"BODY[HEADER")), b"")
    name, _, value = bytes(header or b"").partition(b":")
    moment = reply.get(b"INTERNALDATE")
    if not isinstance(moment, datetime):
        moment = datetime.now(UTC)
    return MessageHead(
        uid,
        int(reply[b"RFC822.SIZE"]),
        tuple(flag.decode("ascii", "replace") for flag in reply.get(b"FLAGS", ())),
        moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        "".join(value.decode("ascii", "replace").split()) if name else "",
    )
