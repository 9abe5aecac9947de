"""The session store protocol, and the store in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from .._forks import reset_after_fork
from ..trust.labels import Assessment, Tier
from ..trust.taint import Taint

THREAD_WINDOW = timedelta(hours=24)
"""How long a send counts towards the limit of its thread."""

_MAX_SESSIONS_WITH_ADDRESSES = 1024


@dataclass(frozen=True, slots=True)
class SendToken:
    """A send to count.

    Attributes:
        session: The conversation; empty where `thread` is a count of its own, which is forgotten
            with its window.
        thread: The thread that it belongs to; empty for a new thread.
        key: Identifies the message; a key is counted once.
        at: The time of the send.
    """

    session: str
    thread: str
    key: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class SessionStore(Protocol):
    """What the guard remembers. All methods can be called from any thread.

    A `session` is a conversation, a `scope` a mailbox; both are opaque strings. Addresses are
    normalized by `multimail.trust.addresses.normalize_address`.
    """

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """Return a conversation's taint, with the tiers of these addresses."""
        ...

    def merge_taint(self, session: str, more: Taint) -> None:
        """Add to a conversation's taint. It is stored when this returns."""
        ...

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """Store addresses that the application took from the user's own words."""
        ...

    def declared(self, session: str) -> frozenset[str]:
        """Return the addresses declared in a conversation."""
        ...

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """Store addresses to which a human approved a send."""
        ...

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """Return the addresses, of these, to which a human approved a send."""
        ...

    def add_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """Store the recipients of a send that awaits a human."""
        ...

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """Return the ids of held sends to any of the addresses, newest first, at most `limit`."""
        ...

    def remove_held(self, scope: str, email_id: str) -> None:
        """Remove a held send, because it was decided."""
        ...

    def count_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """Count a send if neither limit is reached; check and count in one atomic step.

        Returns:
            Empty if it was counted, else the limit that is reached: `session` or `thread`.
        """
        ...

    def reset(self, session: str) -> None:
        """Remove a conversation's taint, declared addresses and count of sends."""
        ...


@dataclass(slots=True)
class _Session:
    worst: Assessment | None = None
    declared: set[str] = field(default_factory=set)
    sends: set[str] = field(default_factory=set)


class MemorySessionStore:
    """A `SessionStore` in the memory of this process.

    Keeps the worst label of every conversation, and the addresses that its mail named for the
    1,024 latest: in older conversations such an address counts as one that was never seen.
    """

    def __init__(self) -> None:
        self._sessions: defaultdict[str, _Session] = defaultdict(_Session)
        self._named: OrderedDict[str, dict[str, Tier]] = OrderedDict()
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self._held: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        self._threads: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._counted: OrderedDict[str, dict[str, datetime]] = OrderedDict()
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "A MemorySessionStore can't be pickled: another process would not see what is added "
            "to it. Use a SqliteSessionStore or a RedisSessionStore, or leave store= out."
        )

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """See `SessionStore.taint`."""
        with self._lock:
            worst = self._sessions[session].worst if session in self._sessions else None
            named = self._named.get(session, {})
            return Taint(
                worst, {address: named[address] for address in addresses if address in named}
            )

    def merge_taint(self, session: str, more: Taint) -> None:
        """See `SessionStore.merge_taint`."""
        with self._lock:
            state = self._sessions[session]
            state.worst = Taint(state.worst).merge(Taint(more.worst)).worst
            # In place: the conversation of a whole process names more and more.
            named = self._named.setdefault(session, {})
            for name, tier in more.named.items():
                named[name] = min(tier, named.get(name, tier))
            self._named.move_to_end(session)
            while len(self._named) > _MAX_SESSIONS_WITH_ADDRESSES:
                self._named.popitem(last=False)

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.declare`."""
        with self._lock:
            self._sessions[session].declared |= set(addresses)

    def declared(self, session: str) -> frozenset[str]:
        """See `SessionStore.declared`."""
        with self._lock:
            state = self._sessions.get(session)
            return frozenset(state.declared if state else ())

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_known`."""
        with self._lock:
            self._known[scope] |= set(addresses)

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """See `SessionStore.known`."""
        with self._lock:
            return frozenset(self._known.get(scope, set()).intersection(addresses))

    def add_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_held`."""
        with self._lock:
            held = self._held[scope]
            held[email_id] = held.get(email_id, frozenset()).union(addresses)

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """See `SessionStore.held_to`."""
        recipients = set(addresses)
        with self._lock:
            email_ids = [
                email_id for email_id, to in self._held.get(scope, {}).items() if recipients & to
            ]
        return email_ids[: -limit - 1 : -1]

    def remove_held(self, scope: str, email_id: str) -> None:
        """See `SessionStore.remove_held`."""
        with self._lock:
            self._held[scope].pop(email_id, None)

    def count_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """See `SessionStore.count_send`."""
        with self._lock:
            if not token.session:
                return self._count_in_window(token, per_thread)
            sends = self._sessions[token.session].sends
            thread = self._threads[token.thread] if token.thread else {}
            if token.key in sends or token.key in thread:
                return ""
            if len(sends) >= per_session:
                return "session"
            recent = {key: at for key, at in thread.items() if at > token.at - THREAD_WINDOW}
            if len(recent) >= per_thread:
                return "thread"
            sends.add(token.key)
            thread[token.key] = token.at
            return ""

    def _count_in_window(self, token: SendToken, limit: int) -> str:
        since = token.at - THREAD_WINDOW
        while self._counted and max(next(iter(self._counted.values())).values()) <= since:
            self._counted.popitem(last=False)
        counted = self._counted.get(token.thread, {})
        recent = {key: at for key, at in counted.items() if at > since}
        if token.key in recent:
            return ""
        if len(recent) >= limit:
            return "thread"
        self._counted[token.thread] = {**recent, token.key: token.at}
        self._counted.move_to_end(token.thread)
        return ""

    def reset(self, session: str) -> None:
        """See `SessionStore.reset`."""
        with self._lock:
            self._sessions.pop(session, None)
            self._named.pop(session, None)
