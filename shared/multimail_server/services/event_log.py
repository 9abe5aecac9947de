"""The event log: what `GET /v1/events` reads, by page or as a stream.

An event's id is the time of the event and its position in the log, so that reading can go on after
any id, even one whose event was removed. Positions are given once events are committed (see
`Tx.number_events`), in the order in which readers see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..auth import Principal
from ..clock import RANDOM_BITS, id_number, id_text, to_milliseconds
from ..errors import ApiError, invalid
from ..store.protocol import Reader, Scope
from ..store.records import EventFilter, LoggedEvent
from .context import AppContext, find_mailbox
from .events import EVENT_KINDS, EventKind, Json, build_payload, build_text, has_text

EVENT_HISTORY = timedelta(days=30)
"""How long an event stays in the log."""
OLDEST = "oldest"
"""As `after`: from the first event that is still in the log."""
PAGE_SIZE = 100
_PURGE_INTERVAL = timedelta(hours=1)
_BATCH = 1000
_LOG = Scope(own=("event-log",))
"""Of the writes that number and remove events: they wait for each other, and for nothing else."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which events a reader wants, and from where on.

    Attributes:
        where: The filter; its `after` is the position reached.
        names: The name of each kind in the payloads; empty for the kinds' own.
        reached: The id of the position reached.
    """

    where: EventFilter
    names: Mapping[str, str]
    reached: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Payloads in their order, and the subscription that goes on behind them.

    Attributes:
        is_last: Whether the log had no more of these events.
    """

    payloads: list[Json]
    rest: Subscription
    is_last: bool


class EventLogService:
    """API: GET /v1/events."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def subscribe(
        self,
        principal: Principal,
        *,
        types: str | None,
        mailbox: str | None,
        after: str | None,
        limit: int = PAGE_SIZE,
    ) -> Subscription:
        """Return a subscription that begins after an event.

        Args:
            principal: The key; one that is bound to a mailbox gets the events of that mailbox.
            types: Names in `EVENT_KINDS`, with commas between them; None for all.
            mailbox: The id or address of a mailbox; None for all that the key can access.
            after: The id of an event, or `oldest`; None for now.
            limit: Events in a page.

        Raises:
            ApiError: A name or the id is invalid (400), there is no such mailbox (404), or events
                after that id were removed, or it isn't from this log (410).
        """
        names = _parse_types(types)
        self.number_events()

        def work(tx: Reader) -> Subscription:
            mailbox_id = principal.mailbox_id
            if mailbox is not None:
                mailbox_id = find_mailbox(tx, principal, mailbox).id
            where = EventFilter(
                principal.account_id, limit, mailbox_id=mailbox_id, kinds=tuple(names)
            )
            position = self._find_position(tx, where, after)
            reached = self._build_id(tx, position)
            return Subscription(replace(where, after=position), names, reached)

        return self._context.store.read(work)

    def get_page(self, subscription: Subscription) -> EventPage:
        """Return the next events of a subscription."""
        where = subscription.where

        def work(tx: Reader) -> EventPage:
            last = tx.last_event_position()
            rows = tx.events(where)
            is_last = len(rows) < where.limit
            position = last if is_last else rows[-1].position or 0
            payloads = [_render(tx, row, subscription.names) for row in rows]
            has_moved = position != where.after
            reached = self._build_id(tx, position) if has_moved else subscription.reached
            rest = replace(subscription, where=replace(where, after=position), reached=reached)
            return EventPage(payloads, rest, is_last)

        return self._context.store.read(work)

    def number_events(self) -> int:
        """Number every event that is committed by now; return the last position."""
        store = self._context.store
        while store.read(lambda tx: tx.has_unnumbered_events()):
            store.write(lambda tx: tx.number_events(_BATCH), _LOG)
        return store.read(lambda tx: tx.last_event_position())

    def list_valid_keys(self, principals: Iterable[Principal]) -> set[str]:
        """Return the ids of the keys that are neither revoked nor of other scopes by now."""
        principals = list(principals)

        def work(tx: Reader) -> set[str]:
            keys = [(principal, tx.key(principal.key_id)) for principal in principals]
            return {
                principal.key_id
                for principal, key in keys
                if key and not key.revoked_at and principal.scopes == set(key.scopes)
            }

        return self._context.store.read(work)

    def _find_position(self, tx: Reader, where: EventFilter, after: str | None) -> int:
        last = tx.last_event_position()
        if after is None:
            return last
        if after == OLDEST:
            return 0
        milliseconds, position = _parse_id(after)
        time = tx.event_time(position)
        if position > last or (time is not None and to_milliseconds(time) != milliseconds):
            raise _build_lost(
                f"The event {after} is not from this log, so what came after it is not known.",
                self._build_id(tx, last),
            )
        lost = tx.lost_event_position(replace(where, after=position))
        if lost:
            raise _build_lost(
                f"Events after {after} were lost: they are removed after "
                f"{EVENT_HISTORY.days} days.",
                self._build_id(tx, lost),
            )
        return position

    def _build_id(self, tx: Reader, position: int) -> str:
        return build_event_id(tx.event_time(position) or self._context.now(), position)


def build_event_id(time: datetime, position: int) -> str:
    """Return the id of the event at a position of the log."""
    return id_text("evt", (to_milliseconds(time) << RANDOM_BITS) | position)


def _parse_id(text: str) -> tuple[int, int]:
    """Return the milliseconds and the position in an event's id."""
    number = id_number("evt", text)
    if number is None:
        raise invalid(
            f"`after` is neither the id of an event nor {OLDEST!r}. Leave it out to begin now.",
            "invalid_after",
        )
    return number >> RANDOM_BITS, min(number & ((1 << RANDOM_BITS) - 1), (1 << 63) - 1)


def _build_lost(reason: str, resume_after: str) -> ApiError:
    return ApiError(
        410,
        "events_lost",
        f"{reason} Read the mailbox to see what was missed, then go on with after={resume_after}.",
        extra={"resume_after": resume_after},
    )


def _parse_types(types: str | None) -> dict[str, str]:
    """Return the requested name of each requested kind."""
    names = [name for part in (types or "").split(",") if (name := part.strip())]
    unknown = sorted(set(names) - set(EVENT_KINDS))
    if unknown:
        raise invalid(
            f"`types` has {', '.join(name[:80] for name in unknown[:3])}. Use some of "
            f"{', '.join(EVENT_KINDS)}.",
            "unknown_event",
        )
    return {EVENT_KINDS[name].value: name for name in reversed(names)}


def _render(tx: Reader, row: LoggedEvent, names: Mapping[str, str]) -> Json:
    kind = EventKind(row.kind)
    details = dict(row.details) or _build_erased(row)
    if has_text(kind, details):
        details.update(build_text(tx, row.message_id))
    event_id = build_event_id(row.created_at, row.position or 0)
    return build_payload(event_id, names.get(kind, kind.value), row.created_at, details)


def _build_erased(row: LoggedEvent) -> Json:
    """Return the details of an event whose message was erased."""
    ids = {"message_id": row.message_id, "email_id": row.message_id}
    return {"mailbox_id": row.mailbox_id, **ids, "content_hidden": True}


class EventRetention:
    """The periodic job that removes events from the log after `EVENT_HISTORY`."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._log = EventLogService(context)

    def run(self) -> None:
        """Remove the events that are too old, if some have been for an hour."""
        now = self._context.now()
        oldest = self._context.store.read(lambda tx: tx.oldest_event_time())
        if oldest is None or now < oldest + EVENT_HISTORY + _PURGE_INTERVAL:
            return
        self._log.number_events()
        before = now - EVENT_HISTORY
        while self._context.write(lambda tx: tx.purge_events(before, _BATCH), _LOG):
            pass

    def next_due(self) -> datetime | None:
        """Return None: it is early enough when the jobs run anyway, at least once an hour."""
        return None
