"""Sessions in memory: the default."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..trust.labels import Assessment, Tier
from ..trust.taint import Taint
from .store import THREAD_WINDOW, SendToken

_MOST_WITH_ADDRESSES = 1024


@dataclass(slots=True)
class _Conversation:
    worst: Assessment | None = None
    declared: set[str] = field(default_factory=set)
    sends: set[str] = field(default_factory=set)


class MemorySessionStore:
    """Remembers for as long as the process runs.

    The worst label is kept for every conversation; which addresses its mail named, for the
    1,024 latest: of the others they count as addresses that were never seen.
    """

    def __init__(self) -> None:
        self._sessions: defaultdict[str, _Conversation] = defaultdict(_Conversation)
        self._named: OrderedDict[str, Mapping[str, Tier]] = OrderedDict()
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self._held: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        self._threads: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._lock = threading.Lock()

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """See `SessionStore.taint`."""
        with self._lock:
            worst = self._sessions[session].worst if session in self._sessions else None
            named = self._named.get(session, {})
        return Taint(worst, {one: named[one] for one in addresses if one in named})

    def grow_taint(self, session: str, more: Taint) -> None:
        """See `SessionStore.grow_taint`."""
        with self._lock:
            found = self._sessions[session]
            grown = Taint(found.worst, self._named.get(session, {})).merge(more)
            found.worst, self._named[session] = grown.worst, grown.addresses
            self._named.move_to_end(session)
            while len(self._named) > _MOST_WITH_ADDRESSES:
                self._named.popitem(last=False)

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.declare`."""
        with self._lock:
            self._sessions[session].declared |= set(addresses)

    def declared(self, session: str) -> frozenset[str]:
        """See `SessionStore.declared`."""
        with self._lock:
            found = self._sessions.get(session)
            return frozenset(found.declared if found else ())

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_known`."""
        with self._lock:
            self._known[scope] |= set(addresses)

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """See `SessionStore.known`."""
        with self._lock:
            return frozenset(self._known[scope].intersection(addresses))

    def note_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.note_held`."""
        with self._lock:
            held = self._held[scope]
            held[email_id] = held.get(email_id, frozenset()).union(addresses)

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """See `SessionStore.held_to`."""
        wanted = set(addresses)
        with self._lock:
            found = [one for one, to in self._held[scope].items() if wanted & to]
        return found[: -limit - 1 : -1]

    def forget_held(self, scope: str, email_id: str) -> None:
        """See `SessionStore.forget_held`."""
        with self._lock:
            self._held[scope].pop(email_id, None)

    def take_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """See `SessionStore.take_send`."""
        with self._lock:
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

    def reset(self, session: str) -> None:
        """See `SessionStore.reset`."""
        with self._lock:
            self._sessions.pop(session, None)
            self._named.pop(session, None)
