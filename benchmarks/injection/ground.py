"""The ground: our server on a socket, the relay that its mail goes to, a mailbox for each run."""

from __future__ import annotations

import itertools
import smtplib
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from multimail import MultiMail
from multimail.sessions import MemorySessionStore, SessionStore
from multimail.tools import Toolkit
from multimail.trust import PolicyName, TrustPolicy
from multimail.trust.addresses import extract_address, normalize_addresses
from multimail_server import ServerConfig
from multimail_server.mail.envelope import SmtpEnvelope
from multimail_server.oversight import Direction, State
from multimail_server.smtp.listener import InboundSmtp
from multimail_server.store.records import Message, MessageFilter
from multimail_server.testing.server import ServerUnderTest

from .letters import Letter, Postmark

DOMAIN = "bluesparrowtech.com"
_HOST = "127.0.0.1"
_PATIENCE = 20.0
_MOVING = (State.PENDING_SCAN, State.SENDING)


class Relay:
    """The next hop: takes whatever is handed to it, and knows by the envelope for whom."""

    def __init__(self) -> None:
        self._taken: list[SmtpEnvelope] = []
        self._lock = threading.Lock()
        self._smtp = InboundSmtp(_HOST, 0, knows_recipient=lambda _: True, receive=self._take)

    def start(self) -> str:
        """Listen, and return the URL for `ServerConfig.relay`."""
        return f"smtp://{_HOST}:{self._smtp.start()}"

    def stop(self) -> None:
        """Stop listening."""
        self._smtp.stop()

    def _take(self, envelope: SmtpEnvelope, _: bytes) -> None:
        with self._lock:
            self._taken.append(envelope)

    def taken_from(self, sender: str) -> list[SmtpEnvelope]:
        """Return the envelopes of a sender's mail, oldest first."""
        with self._lock:
            return [one for one in self._taken if one.mail_from == sender]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mailbox's mail.

    Attributes:
        left: For whom the relay took a message, normalised.
        held: For whom a message awaits a human, normalised.
    """

    left: frozenset[str]
    held: frozenset[str]

    def __or__(self, other: Outcome) -> Outcome:
        return Outcome(self.left | other.left, self.held | other.held)


@dataclass
class Box:
    """A mailbox and the agent's key to it."""

    ground: Ground = field(repr=False)
    id: str
    address: str
    key: str = field(repr=False)
    _newest: str | None = None
    _taken: int = 0

    def receive(self, letters: Iterable[Letter]) -> None:
        """Receive letters in one SMTP conversation."""
        host, _, port = self.ground.server.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=_PATIENCE) as connection:
            for letter in letters:
                raw = self.ground.postmark.raw(letter, self.address)
                connection.sendmail(extract_address(letter.sender), [self.address], raw)

    @contextmanager
    def tools(
        self,
        policy: PolicyName,
        *,
        listed: Sequence[str] = (),
        store: SessionStore | None = None,
    ) -> Iterator[Toolkit]:
        """Lend a toolkit whose guard remembers nothing of other runs, or what `store` does."""
        chosen = TrustPolicy(policy, listed=listed)
        with MultiMail(self.key, base_url=self.ground.server.url) as client:
            memory = MemorySessionStore() if store is None else store
            yield Toolkit(client=client, mailbox=self.address, policy=chosen, store=memory)

    def outcome(self) -> Outcome:
        """Wait until nothing is on its way; return what left and what waits since the last call.

        Raises:
            TimeoutError: Something is on its way still.
        """
        signals = self.ground.server.services.context.commits
        sent = signals.wait_for(self._settled, _PATIENCE)
        if sent is None:
            raise TimeoutError(f"The outbox of {self.address} is not empty.")
        self._newest = max((one.id for one in sent), default=self._newest)
        held = [one for one in sent if one.status is State.PENDING_SEND_APPROVAL]
        waits = [to for one in held for to in (*one.to, *one.cc, *one.bcc)]
        every = self.ground.relay.taken_from(self.address)
        left = [to for one in every[self._taken :] for to in one.recipients]
        self._taken = len(every)
        return Outcome(normalize_addresses(left), normalize_addresses(waits))

    def _settled(self) -> list[Message] | None:
        where = MessageFilter(self.id, 1000, direction=Direction.OUTBOUND, since_id=self._newest)
        sent = list(
            self.ground.server.services.context.store.read(lambda tx: tx.list_messages(where))
        )
        return None if any(one.status in _MOVING for one in sent) else sent


class Ground:
    """One server with live keys, whose mail goes to one relay. Use it as a context manager.

    Args:
        postmark: Signs the mail that comes in.
        domains: The domains of its senders, for the zone.
    """

    def __init__(self, postmark: Postmark, domains: Iterable[str]) -> None:
        self.postmark = postmark
        self.relay = Relay()
        self._domains = tuple(domains)
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self.server: ServerUnderTest

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="multimail-"))
            zone = Path(folder) / "zone"
            zone.write_text(self.postmark.zone(self._domains), "utf-8")
            url = self.relay.start()
            stack.callback(self.relay.stop)
            config = ServerConfig(
                port=0, smtp_port=0, dns_zone=zone, relay=url, live=True, domain=DOMAIN
            )
            self.server = stack.enter_context(ServerUnderTest(config))
            self._admin = stack.enter_context(self.server.http("admin"))
            self._owner = stack.enter_context(self.server.http("agent"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def box(self, mode: str, letters: Iterable[Letter] = ()) -> Box:
        """Make a mailbox with mail in it.

        Args:
            mode: Its oversight mode.
            letters: In order of arrival.
        """
        name = f"emma.johnson-{next(self._numbers)}"
        made = _post(self._admin, "/v1/mailboxes", {"address": name, "oversight_mode": mode})
        key = {"name": name, "scopes": ["read", "send"], "mailbox_id": made["id"], "live": True}
        box = Box(self, made["id"], made["address"], _post(self._admin, "/v1/api-keys", key)["key"])
        box.receive(letters)
        return box

    def contact(self, address: str, name: str) -> None:
        """Enter an address in the account's address book, as its owner does."""
        _post(self._owner, "/v1/contacts", {"email": address, "name": name})


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
