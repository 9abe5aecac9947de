"""Nothing lost: the server is killed at random moments under load, and started again.

MULTIMAIL_KILLS says how often (100), MULTIMAIL_SEED repeats a run's moments.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from tests.proofs.ledger import Ledger
from tests.proofs.load import Api, Keys, Load, wish_of
from tests.proofs.served import Nursery, Served
from tests.proofs.sink import HandOver, Sink

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(900),
]

KILLS = int(os.environ.get("MULTIMAIL_KILLS", "100"))
SEED = int(os.environ.get("MULTIMAIL_SEED", "0")) or random.SystemRandom().getrandbits(32)

Moment = Literal["acknowledged", "before the relay's answer", "after the relay's answer", "start"]
_MOMENTS: tuple[Moment, ...] = get_args(Moment)
_DONE = {"approve": {"sending", "sent"}, "reject": {"rejected"}, "cancel": {"cancelled"}}
_LINES = {
    "sent": {"email.send", "oversight.approve", "email.deliver"},
    "sending": {"email.send", "oversight.approve"},
    "pending_send_approval": {"email.send"},
    "rejected": {"email.send", "oversight.reject"},
    "cancelled": {"email.send", "email.cancel"},
    "unread": {"email.receive"},
}
"""The audit log's lines about a message in each status, each of them once."""
_RESTLESS = {"sending", "pending_send_approval"}


@dataclass(frozen=True, slots=True)
class Plan:
    """When to kill: at the `count`th event of a kind, and `pause` seconds into what follows it."""

    at: Moment
    count: int
    pause: float

    @classmethod
    def roll(cls, dice: random.Random) -> Plan:
        """Return the next plan."""
        at: Moment = dice.choices(_MOMENTS, [5, 2, 2, 1])[0]
        most = 40 if at == "acknowledged" else 5
        pause = 0.15 if at == "start" else dice.choice([0.0, 0.002, 0.01])
        return cls(at, dice.randint(1, most), dice.uniform(0.0, pause))


class Killer:
    """Kills one run of the server as its plan says."""

    def __init__(self, plan: Plan, served: Served) -> None:
        self._plan, self._served = plan, served
        self._lock = threading.Lock()
        self._seen: Counter[Moment] = Counter()

    def acknowledged(self) -> None:
        """Hear that the server has acknowledged something."""
        if self._is_now("acknowledged"):
            self._kill()

    def handed_over(self) -> None:
        """Hear that the relay has a message, which it has not answered yet."""
        if self._is_now("before the relay's answer"):
            self._kill()
        elif self._is_now("after the relay's answer"):
            threading.Thread(target=self._kill).start()

    def _is_now(self, moment: Moment) -> bool:
        with self._lock:
            self._seen[moment] += 1
            return self._plan.at == moment and self._seen[moment] == self._plan.count

    def _kill(self) -> None:
        time.sleep(self._plan.pause)
        self._served.kill()


class Proof:
    """The whole run: the relay, the ledger, and what was seen of the server so far."""

    def __init__(self, nursery: Nursery, sink: Sink, folder: Path) -> None:
        self._nursery, self._sink = nursery, sink
        zone = folder / "zone.txt"
        zone.write_text('elsewhere.test. TXT "v=spf1 -all"\n')
        self._options = (
            *("--port", "0", "--smtp-port", "0", "--data", str(folder / "mail.db"), "--live"),
            *("--relay", f"smtp://127.0.0.1:{sink.port}", "--dns-zone", str(zone)),
        )
        self.ledger = Ledger()
        self.unapproved: list[HandOver] = []
        self._keys: Keys = {}
        self._seen = Seen()
        self._killer: Killer | None = None
        sink.on_hand_over = self._handed_over
        self.ledger.on_acknowledged = self._acknowledged

    def kill_once(self, plan: Plan) -> None:
        """Run the server, check it, and load it until the plan's moment has come."""
        self._sink.run += 1
        served = self._nursery.begin(*self._options)
        if plan.at == "start":
            time.sleep(plan.pause)
            served.kill()
        else:
            self._load(served, plan)
        self._nursery.await_end()

    def finish(self) -> None:
        """Check what is left when everything is answered and the outbox is empty."""
        self._sink.run += 1
        served = self._nursery.begin(*self._options)
        api = self._open(served)
        self._check(api)
        for entry in self.ledger.entries.values():
            if entry.wish == "approve":
                assert api.decide(entry)["message_status"] == "sent", entry
        before, self._seen = self._seen, Seen()
        self._seen.look(api)
        assert before.audit.items() <= self._seen.audit.items(), "audit lines are gone"
        assert set(self._seen.rows) == set(self.ledger.entries)
        for row in self._seen.rows.values():
            told = self._seen.lines[row["id"]]
            assert told == Counter(_LINES[row["status"]]), (row["status"], told)
        api.close()
        served.kill()
        self._nursery.await_end()

    def check_the_relay(self) -> None:
        """Check what was handed over: approved mail alone, and again only after a lost answer."""
        assert not self.unapproved
        wishes = {entry.token: entry.wish for entry in self.ledger.entries.values()}
        taken: dict[str, list[HandOver]] = defaultdict(list)
        last: dict[int, HandOver] = {}
        for one in self._sink.hand_overs:
            taken[one.token].append(one)
            last[one.run] = one
        assert set(taken) == {token for token, wish in wishes.items() if wish == "approve"}
        for repeats in taken.values():
            assert len({(one.message_id, one.digest) for one in repeats}) == 1, repeats
            # The server hands over one at a time: only a run's last can lack its answer.
            for one in repeats[:-1]:
                assert last[one.run] == one, f"handed over again: {repeats}"

    def _open(self, served: Served) -> Api:
        self._nursery.await_banner(served)
        self._keys = self._keys or served.banner["keys"]
        return Api(served.banner, self._keys, self.ledger)

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
        rows = self._seen.rows
        for entry in self.ledger.entries.values():
            assert not entry.stored or entry.token in rows, f"acknowledged and lost: {entry}"
            if entry.decided and entry.wish:
                status = rows[entry.token]["status"]
                assert status in _DONE[entry.wish], f"{entry} is {status}"
        for row in rows.values():
            missing = _LINES[row["status"]] - self._seen.lines[row["id"]].keys()
            assert not missing, f"{row['subject']} is {row['status']} without {missing}"
        self._ask_again(api)

    def _ask_again(self, api: Api) -> None:
        for entry in list(self.ledger.entries.values()):
            if not entry.stored:
                (api.hand_in if entry.inbound else api.send)(entry)
            if not entry.inbound and not entry.decided:
                entry.wish = entry.wish or wish_of(entry.token)
                api.decide(entry)

    def _acknowledged(self) -> None:
        if self._killer is not None:
            self._killer.acknowledged()

    def _handed_over(self, one: HandOver) -> None:
        entry = self.ledger.entries.get(one.token)
        if entry is None or entry.wish != "approve":
            self.unapproved.append(one)
        if self._killer is not None:
            self._killer.handed_over()


class Seen:
    """What the server has told about messages and its audit log; it reads on where it stopped."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.audit: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, Counter[str]] = defaultdict(Counter)
        self.twice: list[dict[str, Any]] = []

    def look(self, api: Api) -> None:
        """Read what is new, and again what was not at rest."""
        restless = [row["id"] for row in self.rows.values() if row["status"] in _RESTLESS]
        newest = max((row["id"] for row in self.rows.values()), default="")
        for row in api.emails(min(restless, default=newest)[:-1]):
            known = self.rows.get(row["subject"], row)
            if known["id"] != row["id"]:
                self.twice.append(row)
            self.rows[row["subject"]] = row
        for line in api.rows("/v1/audit-log", "entries", max(self.audit, default="")):
            self.audit[line["id"]] = line
            self.lines[line["resource_id"]][line["action"]] += 1


def test_a_server_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    print(f"MULTIMAIL_SEED={SEED} MULTIMAIL_KILLS={KILLS}")
    dice = random.Random(SEED)
    log = tmp_path / "server.log"
    with Sink() as sink, Nursery(log) as nursery:
        proof = Proof(nursery, sink, tmp_path)
        for _ in range(KILLS):
            proof.kill_once(Plan.roll(dice))
        proof.finish()
        proof.check_the_relay()
    assert not log.read_text(), "the servers had something to complain about"
    entries = proof.ledger.entries.values()
    again = len(sink.hand_overs) - len({one.token for one in sink.hand_overs})
    print(f"{len(entries)} messages, {len(sink.hand_overs)} hand-overs, {again} of them again")
    # A proof in which nothing was cut off proves nothing.
    assert again > 0
    assert {entry.wish for entry in entries} == {None, "approve", "reject", "cancel"}
