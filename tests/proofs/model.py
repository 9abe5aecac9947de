"""A small model of the server, written from the documentation: what should happen.

It knows nothing of the oversight table. What is asked of it returns the HTTP status of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LADDER = ("read_only", "gated_all", "gated_send", "monitored", "autonomous")
GATED = ("gated_all", "gated_send")
TTL = timedelta(hours=72)


@dataclass(slots=True)
class Mail:
    """What the model knows of a message."""

    inbound: bool
    mode: str
    status: str
    key: str = ""
    expires: datetime | None = None
    send_at: datetime | None = None
    undecided: bool = False
    """It is scheduled, and enters the queue at its time."""

    @property
    def due(self) -> datetime | None:
        """When something happens to it by itself."""
        if self.status == "pending_send_approval":
            return self.expires
        return self.send_at if self.status == "scheduled" else None


class Model:
    """What should happen, in the words of the documentation."""

    def __init__(self, mode: str, now: datetime) -> None:
        self.mode, self.now = mode, now
        self.holds_inbound = mode == "gated_all"
        self.timing: str | None = None
        self.mails: dict[str, Mail] = {}
        self.revoked: set[str] = set()

    def refusal(self, mode: str | None) -> int | None:
        """A message asks for no looser mode than its mailbox's; from read_only nothing is sent."""
        if self.mode == "read_only":
            return 403
        if mode and LADDER.index(mode) > LADDER.index(self.mode):
            return 400
        return 403 if mode == "read_only" else None

    def send(
        self, mode: str | None, send_at: datetime | None, timing: str | None, key: str
    ) -> Mail:
        """A send waits for its decision where it is gated: at once, or from its moment on."""
        mail = Mail(False, mode or self.mode, "", key, send_at=send_at)
        ahead = send_at is not None and send_at > self.now
        if mail.mode not in GATED:
            self.let_go(mail)
        elif ahead and (timing or self.timing) == "schedule_first":
            mail.status, mail.undecided = "scheduled", True
        else:
            self.hold(mail)
        return mail

    def receive(self) -> Mail:
        """Mail for a gated_all mailbox waits for a reviewer too, and so it stays."""
        if self.holds_inbound:
            return Mail(True, "gated_all", "pending_inbound_approval")
        return Mail(True, self.mode, "unread")

    def hold(self, mail: Mail) -> None:
        """It waits for its decision, from now on."""
        mail.status, mail.undecided = "pending_send_approval", False
        mail.expires = self.now + TTL

    def let_go(self, mail: Mail) -> None:
        """It leaves now or at its time, unless the key that composed it is revoked by then."""
        if mail.send_at is not None and mail.send_at > self.now:
            mail.status = "scheduled"
        else:
            mail.status = "send_failed" if mail.key in self.revoked else "sent"

    def approve(self, mail: Mail) -> int:
        """An approval counts once, and a repeat is answered as it was."""
        if mail.status == "pending_send_approval":
            self.let_go(mail)
            return 200
        if mail.status == "pending_inbound_approval":
            mail.status = "unread"
            return 200
        if mail.inbound:
            again = mail.mode == "gated_all" and mail.status == "unread"
        else:
            let_go = mail.status in ("scheduled", "sent", "send_failed")
            again = mail.mode in GATED and let_go and not mail.undecided
        return 200 if again else 409

    def reject(self, mail: Mail) -> int:
        """Only what waits for a decision can be rejected."""
        if mail.status in ("pending_send_approval", "pending_inbound_approval"):
            mail.status = "rejected"
        return 200 if mail.status == "rejected" else 409

    def cancel(self, mail: Mail) -> int:
        """What has not left yet can be cancelled."""
        if mail.status in ("pending_send_approval", "scheduled"):
            mail.status, mail.undecided = "cancelled", False
        return 200 if mail.status == "cancelled" else 409

    def reschedule(self, mail: Mail, send_at: datetime) -> int:
        """Another moment for mail that was decided on needs another decision."""
        if send_at <= self.now:
            return 400
        if mail.send_at is None or mail.status not in ("pending_send_approval", "scheduled"):
            return 409
        mail.send_at = send_at
        if mail.mode in GATED and not mail.undecided:
            self.hold(mail)
        return 200

    def edit(self, mail: Mail, key: str) -> int:
        """Its sender changes what it says, as long as it was not approved."""
        if mail.inbound or mail.send_at is None:
            return 409
        if self.mode == "read_only":
            return 403
        mode = min(mail.mode, self.mode, key=LADDER.index)
        waits = mail.status == "scheduled" and (mail.undecided or mode not in GATED)
        if mail.status != "pending_send_approval" and not waits:
            return 409
        mail.mode, mail.key = mode, key
        if mail.status == "pending_send_approval":
            self.hold(mail)
        return 200

    def tighten(self, mode: str) -> int:
        """A mailbox is never loosened by this; what it held stays held."""
        if LADDER.index(mode) > LADDER.index(self.mode):
            return 403
        self.mode = mode
        self.holds_inbound = mode == "gated_all" or (mode == "read_only" and self.holds_inbound)
        return 200

    def jump(self, delta: timedelta) -> None:
        """All at once: what was not decided expires, what was scheduled has come to its moment."""
        self.now += delta
        for mail in self.mails.values():
            if mail.due is not None and mail.due <= self.now:
                self.fall_due(mail)

    def advance(self, delta: timedelta) -> None:
        """One thing after the other, each at its own moment."""
        target = self.now + delta
        while (
            moment := min(filter(None, map(_due, self.mails.values())), default=target)
        ) < target:
            self.jump(moment - self.now)
        self.jump(target - self.now)

    def fall_due(self, mail: Mail) -> None:
        """It waited too long, or its moment has come: then it leaves, or enters the queue."""
        if mail.status == "pending_send_approval":
            mail.status = "expired"
        elif mail.undecided:
            self.hold(mail)
        else:
            self.let_go(mail)


def _due(mail: Mail) -> datetime | None:
    return mail.due
