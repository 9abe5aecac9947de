"""Nothing lost: the server is killed at random moments under load, and started again.

MULTIMAIL_KILLS says how often (100), MULTIMAIL_SEED repeats a run's moments.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from tests.proofs.implied import SUBSCRIPTIONS, missing_lines, odd_lines, told
from tests.proofs.killing import Killer, Plan
from tests.proofs.ledger import PENDING_TTL, Entry, Fate, Ledger
from tests.proofs.load import Api, Keys, Load
from tests.proofs.receiver import Posted, Receiver
from tests.proofs.seen import Seen
from tests.proofs.served import Nursery, Served
from tests.proofs.sink import HandOver, Sink

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(900),
]


KILLS = int(os.environ.get("MULTIMAIL_KILLS", "100"))
SEED = int(os.environ.get("MULTIMAIL_SEED", "0")) or random.SystemRandom().getrandbits(32)

_DONE: dict[Fate, set[str]] = {
    "sent": {"scheduled", "sending", "sent"},
    "rejected": {"rejected"},
    "cancelled": {"cancelled"},
    "expired": {"expired"},
}
"""The statuses that a message may have from the moment on at which its fate was acknowledged."""
_ALL_IS_DUE = timedelta(seconds=2)
"""Longer than any `send_at` of the load lies ahead."""

T = TypeVar("T", HandOver, Posted)


class Proof:
    """The whole run: relay, receiver, ledger, and what was seen of the server so far."""

    def __init__(self, nursery: Nursery, sink: Sink, receiver: Receiver, folder: Path) -> None:
        self._nursery, self._sink, self._receiver = nursery, sink, receiver
        zone = folder / "zone.txt"
        zone.write_text('elsewhere.test. TXT "v=spf1 -all"\n')
        self._options = (
            *("--port", "0", "--smtp-port", "0", "--data", str(folder / "mail.db"), "--live"),
            *("--relay", f"smtp://127.0.0.1:{sink.port}", "--dns-zone", str(zone)),
            *("--pending-ttl", str(int(PENDING_TTL.total_seconds()))),
        )
        self.ledger = Ledger()
        self.unapproved: list[HandOver] = []
        self.early: list[HandOver] = []
        self._keys: Keys = {}
        self._seen = Seen()
        self._killer: Killer | None = None
        sink.on_hand_over = self._handed_over
        receiver.on_post = self._posted
        self.ledger.on_acknowledged = self._acknowledged

    def begin(self) -> None:
        """Make the data file, and subscribe to its events."""
        served = self._start()
        api = self._open(served)
        formats = ("sha256=hex", "hex")
        for (path, events), form in zip(SUBSCRIPTIONS.items(), formats, strict=True):
            self._receiver.secrets[path] = api.subscribe(self._receiver.url(path), events, form)
        self._end(served, api)

    def kill_once(self, plan: Plan) -> None:
        """Run the server, check it, and load it until the plan's moment has come."""
        served = self._start()
        if plan.at == "start":
            time.sleep(plan.pause)
            served.kill()
        else:
            self._load(served, plan)
        self._nursery.await_end()

    def finish(self) -> None:
        """Check what is left when everything is answered, due, told and expired.

        This last run has a virtual clock, so that nobody waits for what is due later.
        """
        moment = datetime.now(UTC)
        served = self._start("--clock", f"virtual:{moment.isoformat()}")
        self.ledger.now = lambda: moment
        api = self._open(served)
        self._check(api)
        for delta in (_ALL_IS_DUE, 2 * PENDING_TTL):
            moment += delta
            api.advance(delta)
            self._check(api)
        api.advance(timedelta(0))  # All is posted that was committed by now.
        before, self._seen = self._seen, Seen()
        self._seen.look(api)
        assert before.audit.items() <= self._seen.audit.items(), "audit lines are gone"
        self._check_the_rest()
        assert not api.undelivered()
        self._end(served, api)

    def check_the_relay(self) -> None:
        """Check what was handed over: approved mail alone, and again only after a lost answer."""
        assert not self.unapproved
        assert not self.early
        check_hand_overs(self._sink.hand_overs, self.ledger.entries.values())

    def check_the_events(self) -> None:
        """Check what was posted: each event of what happened, and of nothing else."""
        assert not self._receiver.wrong
        posted = self._receiver.posted
        implied = {
            (line["resource_id"], kind) for line in self._seen.audit.values() for kind in told(line)
        }
        events = grouped(posted, lambda one: (one.message_id, one.kind))
        assert events.keys() == implied
        for repeats in events.values():
            assert len({(one.event_id, one.digest) for one in repeats}) == 1, repeats
        assert len({one.event_id for one in posted}) == len(events)
        assert all(one.kind in SUBSCRIPTIONS[one.path] for one in posted)
        # Each subscription gets one at a time: only a run's last can lack its answer.
        check_repeats(events.values(), grouped(posted, lambda one: (one.run, one.path)))

    def _start(self, *options: str) -> Served:
        self._sink.run += 1
        self._receiver.begin_run()
        return self._nursery.begin(*self._options, *options)

    def _open(self, served: Served) -> Api:
        self._nursery.await_banner(served)
        self._keys = self._keys or served.banner["keys"]
        return Api(served.banner, self._keys, self.ledger)

    def _end(self, served: Served, api: Api) -> None:
        api.close()
        served.kill()
        self._nursery.await_end()

    def _load(self, served: Served, plan: Plan) -> None:
        api = self._open(served)
        self._check(api)
        self._killer = Killer(plan, served)
        load = Load(api, self.ledger, f"run{self._sink.run}")
        load.start()
        load.join()
        self._killer = None
        api.close()

    def _check(self, api: Api) -> None:
        """Check everything that was acknowledged, then ask again for what was not answered."""
        self._seen.look(api)
        assert not self._seen.twice, "stored twice"
        assert not self._receiver.wrong
        rows = self._seen.rows
        for entry in self.ledger.entries.values():
            assert not entry.stored or entry.token in rows, f"acknowledged and lost: {entry}"
            if entry.token in rows:
                self._check_status(entry, rows[entry.token]["status"])
        for row in rows.values():
            about = row["status"], self._seen.began.get(row["id"]), self._seen.lines[row["id"]]
            missing = missing_lines(*about)
            assert not missing, f"{row['subject']} is {row['status']} without {missing}"
        self._ask_again(api)

    def _check_status(self, entry: Entry, status: str) -> None:
        now = self.ledger.now()
        if entry.fate:
            assert status in _DONE[entry.fate], f"{entry} is {status}"
        if status == "expired":
            assert entry.can_have_expired(now), f"expired before its time: {entry}"
        if status != "scheduled" and entry.waits_since is None:
            entry.waits_since = now

    def _ask_again(self, api: Api) -> None:
        for entry in list(self.ledger.entries.values()):
            if not entry.stored:
                (api.hand_in if entry.inbound else api.send)(entry)
            if not entry.inbound and not entry.fate:
                api.decide(entry)

    def _check_the_rest(self) -> None:
        entries, seen = self.ledger.entries, self._seen
        assert set(seen.rows) == set(entries)
        for token, row in seen.rows.items():
            assert row["status"] == (entries[token].fate or "unread"), (entries[token], row)
            about = row["status"], seen.began.get(row["id"]), seen.lines[row["id"]]
            assert not missing_lines(*about), about
            assert not odd_lines(*about), about

    def _acknowledged(self) -> None:
        if self._killer is not None:
            self._killer.acknowledged()

    def _handed_over(self, one: HandOver) -> None:
        entry = self._entry_of(one)
        if entry is None or not entry.is_approved or entry.fate not in (None, "sent"):
            self.unapproved.append(one)
        elif entry.schedule is not None and self.ledger.now() < entry.schedule.send_at:
            self.early.append(one)
        if self._killer is not None:
            self._killer.handed_over()

    def _entry_of(self, one: HandOver) -> Entry | None:
        return self.ledger.entries.get(one.token)

    def _posted(self) -> None:
        if self._killer is not None:
            self._killer.posted()


def grouped(rows: Iterable[T], by: Callable[[T], Hashable]) -> dict[Hashable, list[T]]:
    """Return the rows in order, by what `by` makes of each."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return groups


def check_hand_overs(hand_overs: Sequence[HandOver], entries: Iterable[Entry]) -> None:
    """Check that what was to leave did, in the same bytes each time, and once where answered."""
    taken = grouped(hand_overs, lambda one: one.token)
    assert set(taken) == {entry.token for entry in entries if entry.fate == "sent"}
    for repeats in taken.values():
        assert len({(one.message_id, one.digest) for one in repeats}) == 1, repeats
    # A server hands over one at a time: only a run's last can lack its answer.
    check_repeats(taken.values(), grouped(hand_overs, lambda one: one.run))


def check_repeats(things: Iterable[Sequence[T]], runs: dict[Hashable, list[T]]) -> None:
    """Check that what came again came last in the run before."""
    last = {id(rows[-1]) for rows in runs.values()}
    for repeats in things:
        assert all(id(one) in last for one in repeats[:-1]), f"it came again: {repeats}"


def test_a_server_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    print(f"MULTIMAIL_SEED={SEED} MULTIMAIL_KILLS={KILLS}")
    dice = random.Random(SEED)
    log = tmp_path / "server.log"
    with Sink() as sink, Receiver() as receiver, Nursery(log) as nursery:
        proof = Proof(nursery, sink, receiver, tmp_path)
        proof.begin()
        for _ in range(KILLS):
            proof.kill_once(Plan.roll(dice))
        proof.finish()
        proof.check_the_relay()
        proof.check_the_events()
    assert not log.read_text(), "the servers had something to complain about"
    entries = proof.ledger.entries.values()
    again = len(sink.hand_overs) - len({one.token for one in sink.hand_overs})
    told_again = len(receiver.posted) - len({one.event_id for one in receiver.posted})
    print(f"{len(entries)} messages, {len(sink.hand_overs)} hand-overs, {again} of them again")
    print(f"{len(receiver.posted)} events, {told_again} of them again")
    fates = Counter(entry.fate for entry in entries if not entry.inbound)
    print(", ".join(f"{count} {fate}" for fate, count in fates.most_common()))
    # A proof in which nothing was cut off proves nothing.
    assert again > 0
    assert told_again > 0
    assert {entry.fate for entry in entries} == {None, "sent", "rejected", "cancelled", "expired"}
