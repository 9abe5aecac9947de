"""Nothing lost: servers are killed at random moments under load, and started again.

MULTIMAIL_KILLS says how often one server on SQLite is killed (60), MULTIMAIL_DATABASE_KILLS how
often those on PostgreSQL are together (16), and MULTIMAIL_SERVERS how many these are (2).
MULTIMAIL_SEED repeats a run's moments.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from tests.proofs.history import PENDING_TTL, Entry, History, Outcome
from tests.proofs.kill_plan import Killer, Plan
from tests.proofs.load import Api, Keys, Load
from tests.proofs.observations import (
    SUBSCRIPTIONS,
    Observations,
    get_events,
    missing_lines,
    unexpected_lines,
)
from tests.support.server_launcher import ServerLauncher, ServerProcess
from tests.support.smtp_sink import SinkMessage, SmtpSink
from tests.support.webhook_receiver import Posted, WebhookReceiver

from multimail.webhooks import WebhookError, verify

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(900),
]

KILLS = int(os.environ.get("MULTIMAIL_KILLS", "60"))
DATABASE_KILLS = int(os.environ.get("MULTIMAIL_DATABASE_KILLS", "16"))
SERVERS = int(os.environ.get("MULTIMAIL_SERVERS", "2"))
SEED = int(os.environ.get("MULTIMAIL_SEED", "0")) or random.SystemRandom().getrandbits(32)

_STATUSES: dict[Outcome, set[str]] = {
    "sent": {"scheduled", "sending", "sent"},
    "rejected": {"rejected"},
    "cancelled": {"cancelled"},
    "expired": {"expired"},
}
"""The statuses that a message may have once its outcome was acknowledged."""
_ALL_IS_DUE = timedelta(seconds=2)
"""Longer than any `send_at` of the load lies ahead."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """A message that the relay got, in which run of the server; its subject is its token."""

    run: int
    token: str
    message_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was posted with the right signature, in which run of the server."""

    run: int
    path: str
    event_id: str
    kind: str
    message_id: str
    digest: str


T = TypeVar("T", HandOver, Event)


class Proof:
    """The whole run: relay, receiver, history, and what was observed of the server so far."""

    def __init__(
        self,
        launcher: ServerLauncher,
        sink: SmtpSink,
        receiver: WebhookReceiver,
        folder: Path,
        store: Sequence[str],
    ) -> None:
        self._launcher, self._receiver = launcher, receiver
        zone = folder / "zone.txt"
        zone.write_text('elsewhere.test. TXT "v=spf1 -all"\n')
        self._options = (
            *("--port", "0", "--smtp-port", "0", *store, "--live"),
            *("--relay", sink.url, "--dns-zone", str(zone)),
            *("--webhook-networks", "127.0.0.0/8"),
            *("--pending-ttl", str(int(PENDING_TTL.total_seconds()))),
        )
        self.history = History()
        self.unapproved: list[HandOver] = []
        self.early: list[HandOver] = []
        self.hand_overs: list[HandOver] = []
        self.events: list[Event] = []
        self.run = 0
        self._unsigned: list[WebhookError] = []
        self._secrets: dict[str, str] = {}
        self.keys: Keys = {}
        self._observed = Observations()
        self._killer: Killer | None = None
        sink.on_message = self._handed_over
        receiver.on_request = self._posted
        self.history.on_acknowledged = self._acknowledged

    def begin(self, *, subscribe: bool) -> None:
        """Create the account in a first run, and subscribe to its events."""
        server = self._start()
        api = self._open(server)
        formats = ("sha256=hex", "hex")
        for (path, events), form in zip(SUBSCRIPTIONS.items(), formats, strict=True):
            if subscribe:
                url = self._receiver.url_for(path)
                self._secrets[path] = api.subscribe(url, events, form)
        self._end(server, api)

    def kill_once(self, plan: Plan) -> None:
        """Run the server, check it, and load it until the plan's moment has come."""
        server = self._start()
        if plan.at == "start":
            time.sleep(plan.pause)
            server.kill()
        else:
            self._load(server, plan)
        self._launcher.await_end()

    def finish(self) -> None:
        """Check what is left when everything is answered, due, posted and expired.

        This last run has a virtual clock, so that it does not wait for what is due later.
        """
        moment = datetime.now(UTC)
        server = self._start("--clock", f"virtual:{moment.isoformat()}")
        self.history.now = lambda: moment
        api = self._open(server)
        self._check(api)
        for delta in (_ALL_IS_DUE, 2 * PENDING_TTL):
            moment += delta
            api.advance(delta)
            self._check(api)
        api.advance(timedelta(0))  # all is posted that was committed by now
        before, self._observed = self._observed, Observations()
        self._observed.refresh(api)
        assert before.audit.items() <= self._observed.audit.items(), "audit lines are gone"
        self._check_the_rest()
        assert not api.undelivered()
        self._end(server, api)

    def check_the_relay(self) -> None:
        """Check the hand-overs: approved mail alone, and again only after a lost answer."""
        assert not self.unapproved
        assert not self.early
        check_hand_overs(self.hand_overs, self.history.entries.values())

    def check_the_events(self) -> None:
        """Check what was posted: each event of what happened, and of nothing else."""
        assert not self._unsigned
        implied = {
            (line["resource_id"], kind)
            for line in self._observed.audit.values()
            for kind in get_events(line)
        }
        events = group(self.events, lambda event: (event.message_id, event.kind))
        assert events.keys() == implied
        for repeats in events.values():
            assert len({(event.event_id, event.digest) for event in repeats}) == 1, repeats
        assert len({event.event_id for event in self.events}) == len(events)
        assert all(event.kind in SUBSCRIPTIONS[event.path] for event in self.events)
        # Each subscription gets one at a time: only a run's last can lack its answer.
        runs = group(self.events, lambda event: (event.run, event.path))
        check_repeats(events.values(), runs)

    def _start(self, *options: str) -> ServerProcess:
        self._receiver.wait_until_idle()
        self.run += 1
        return self._launcher.begin(*self._options, *options)

    def _open(self, server: ServerProcess) -> Api:
        self._launcher.await_banner(server)
        self.keys = self.keys or server.banner["keys"]
        return Api(server.banner, self.keys, self.history)

    def _end(self, server: ServerProcess, api: Api) -> None:
        api.close()
        server.kill()
        self._launcher.await_end()

    def _load(self, server: ServerProcess, plan: Plan) -> None:
        api = self._open(server)
        self._check(api)
        self._killer = Killer(plan, server)
        load = Load(api, self.history, f"run{self.run}")
        load.start()
        load.join()
        self._killer = None
        api.close()

    def _check(self, api: Api) -> None:
        """Check everything that was acknowledged, then ask again for what was not answered."""
        self._observed.refresh(api)
        assert not self._observed.twice, "stored twice"
        assert not self._unsigned
        rows = self._observed.rows
        for entry in self.history.entries.values():
            assert not entry.stored or entry.token in rows, f"acknowledged and lost: {entry}"
            if entry.token in rows:
                self._check_status(entry, rows[entry.token]["status"])
        for row in rows.values():
            missing = missing_lines(*self._observed.about(row))
            assert not missing, f"{row['subject']} is {row['status']} without {missing}"
        self._ask_again(api)

    def _check_status(self, entry: Entry, status: str) -> None:
        now = self.history.now()
        if entry.outcome:
            assert status in _STATUSES[entry.outcome], f"{entry} is {status}"
        if status == "expired":
            assert entry.can_have_expired(now), f"expired before its time: {entry}"
        if status != "scheduled" and entry.waits_since is None:
            entry.waits_since = now

    def _ask_again(self, api: Api) -> None:
        for entry in list(self.history.entries.values()):
            if not entry.stored:
                (api.hand_in if entry.inbound else api.send)(entry)
            if not entry.inbound and not entry.outcome:
                api.decide(entry)

    def _check_the_rest(self) -> None:
        entries, observed = self.history.entries, self._observed
        assert set(observed.rows) == set(entries)
        for token, row in observed.rows.items():
            assert row["status"] == (entries[token].outcome or "unread"), (entries[token], row)
            assert not missing_lines(*observed.about(row)), row
            assert not unexpected_lines(*observed.about(row)), row

    def _acknowledged(self) -> None:
        if self._killer is not None:
            self._killer.acknowledged()

    def _handed_over(self, message: SinkMessage) -> None:
        head, digest = message.parsed, hashlib.sha256(message.raw).hexdigest()
        taken = HandOver(self.run, str(head["Subject"]), str(head["Message-ID"]), digest)
        self.hand_overs.append(taken)
        entry = self._find(taken.token)
        if entry is None or not entry.is_approved or entry.outcome not in (None, "sent"):
            self.unapproved.append(taken)
        elif entry.schedule is not None and self.history.now() < entry.schedule.send_at:
            self.early.append(taken)
        if self._killer is not None:
            self._killer.handed_over()

    def _find(self, token: str) -> Entry | None:
        return self.history.entries.get(token)

    def _posted(self, posted: Posted) -> None:
        secret = self._secrets.get(posted.path, "")
        try:
            event = verify(posted.raw, posted.headers, secret, require_replay_protection=True)
        except WebhookError as error:
            self._unsigned.append(error)
        else:
            digest = hashlib.sha256(posted.raw).hexdigest()
            facts = (event.id, event.type, event.message_id, digest)
            self.events.append(Event(self.run, posted.path, *facts))
        if self._killer is not None:
            self._killer.posted()


def group(rows: Iterable[T], by: Callable[[T], Hashable]) -> dict[Hashable, list[T]]:
    """Return the rows in order, by what `by` makes of each."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return groups


def check_hand_overs(hand_overs: Sequence[HandOver], entries: Iterable[Entry]) -> None:
    """Check that what was to leave did, in the same bytes each time, and once where answered."""
    taken = group(hand_overs, lambda row: row.token)
    assert set(taken) == {entry.token for entry in entries if entry.outcome == "sent"}
    for repeats in taken.values():
        assert len({(row.message_id, row.digest) for row in repeats}) == 1, repeats
    # A server hands over one at a time: only a run's last can lack its answer.
    check_repeats(taken.values(), group(hand_overs, lambda row: row.run))


def check_repeats(repeated: Iterable[Sequence[T]], runs: dict[Hashable, list[T]]) -> None:
    """Check that what came again came last in the run before."""
    last = {id(rows[-1]) for rows in runs.values()}
    for repeats in repeated:
        assert all(id(row) in last for row in repeats[:-1]), f"it came again: {repeats}"


def test_a_server_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    print(f"MULTIMAIL_SEED={SEED} MULTIMAIL_KILLS={KILLS}")
    dice, log = random.Random(SEED), tmp_path / "server.log"
    with SmtpSink() as sink, WebhookReceiver() as receiver, ServerLauncher(log) as launcher:
        store = ("--data", str(tmp_path / "mail.db"))
        proof = Proof(launcher, sink, receiver, tmp_path, store)
        proof.begin(subscribe=True)
        for _ in range(KILLS):
            proof.kill_once(Plan.draw(dice))
        proof.finish()
        proof.check_the_relay()
        proof.check_the_events()
    assert not log.read_text(), "the servers logged errors"
    entries = proof.history.entries.values()
    again = len(proof.hand_overs) - len({row.token for row in proof.hand_overs})
    posted_again = len(proof.events) - len({event.event_id for event in proof.events})
    print(f"{len(entries)} messages, {len(proof.hand_overs)} hand-overs, {again} of them again")
    print(f"{len(proof.events)} events, {posted_again} of them again")
    outcomes = Counter(entry.outcome for entry in entries if not entry.inbound)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    # A proof in which nothing was cut off proves nothing.
    assert again > 0
    assert posted_again > 0
    assert set(outcomes) == {"sent", "rejected", "cancelled", "expired"}


class SharedProof(Proof):
    """A `Proof` whose server shares its database, but not its load, with those of `all_proofs`."""

    all_proofs: list[SharedProof]

    def _find(self, token: str) -> Entry | None:
        return find_entries(self.all_proofs).get(token)

    def kill(self, plans: list[Plan]) -> None:
        """Kill this server as often as there are plans."""
        for plan in plans:
            self.kill_once(plan)


def find_entries(proofs: list[SharedProof]) -> dict[str, Entry]:
    """Return all that was asked of any of the servers, by token."""
    return {
        token: entry for proof in proofs for token, entry in list(proof.history.entries.items())
    }


def draw_plans(dice: random.Random) -> list[Plan]:
    """Return one server's plans; there are no subscriptions here, so none waits for an event."""
    drawn = (Plan.draw(dice) for _ in itertools.count())
    return list(
        itertools.islice((p for p in drawn if "webhook" not in p.at), DATABASE_KILLS // SERVERS)
    )


def test_servers_killed_at_any_moment_lose_nothing(tmp_path: Path, database_url: str) -> None:
    """While one server is dead the others go on, and send what the dead one had begun."""
    print(f"MULTIMAIL_SEED={SEED} MULTIMAIL_DATABASE_KILLS={DATABASE_KILLS}", end=" ")
    print(f"MULTIMAIL_SERVERS={SERVERS}")
    dice = random.Random(SEED)
    proofs: list[SharedProof] = []
    logs = [tmp_path / f"{number}.log" for number in range(SERVERS)]
    with ExitStack() as stack:
        for number, log in enumerate(logs):
            sink = stack.enter_context(SmtpSink())
            receiver = stack.enter_context(WebhookReceiver())
            launcher = stack.enter_context(ServerLauncher(log))
            store = ("--database", database_url)
            proof = SharedProof(launcher, sink, receiver, tmp_path, store)
            proof.run, proof.all_proofs = 1000 * number, proofs
            proofs.append(proof)
        first = proofs[0]
        first.begin(subscribe=False)
        for other in proofs[1:]:
            other.hand_overs = first.hand_overs  # all in the order in which they came
            other.keys = first.keys
        with ThreadPoolExecutor(SERVERS) as pool:
            plans = [draw_plans(dice) for _ in proofs]
            list(pool.map(SharedProof.kill, proofs, plans))
        first.history.entries.update(find_entries(proofs))
        first.finish()
        assert not any(proof.unapproved or proof.early for proof in proofs)
        hand_overs = first.hand_overs
        check_hand_overs(hand_overs, find_entries(proofs).values())
    assert not any(log.read_text() for log in logs), "the servers logged errors"
    again = len(hand_overs) - len({row.token for row in hand_overs})
    print(f"{len(find_entries(proofs))} messages, {len(hand_overs)} hand-overs, {again} again")
    # A proof in which nothing was cut off proves nothing.
    assert again > 0
