"""The server under attack, the relay that its mail goes to, and a mailbox for each run."""

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

from .messages import IncomingMessage, MessageSigner

DOMAIN = "bluesparrowtech.com"
_HOST = "127.0.0.1"
_TIMEOUT = 20.0
_MOVING = (State.PENDING_SCAN, State.SENDING)


class Relay:
    """The next hop. It accepts every message, and records the envelopes."""

    def __init__(self) -> None:
        self._envelopes: list[SmtpEnvelope] = []
        self._lock = threading.Lock()
        self._smtp = InboundSmtp(_HOST, 0, knows_recipient=lambda _: True, receive=self._receive)

    def start(self) -> str:
        """Listen, and return the URL for `ServerConfig.relay`."""
        return f"smtp://{_HOST}:{self._smtp.start()}"

    def stop(self) -> None:
        """Stop listening."""
        self._smtp.stop()

    def _receive(self, envelope: SmtpEnvelope, _: bytes) -> None:
        with self._lock:
            self._envelopes.append(envelope)

    def get_envelopes(self, sender: str) -> list[SmtpEnvelope]:
        """Return the envelopes of a sender's mail, oldest first."""
        with self._lock:
            return [item for item in self._envelopes if item.mail_from == sender]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of a mailbox's sent mail.

    Attributes:
        left: The recipients of messages that the relay accepted, normalized.
        held: The recipients of messages that wait for approval, normalized.
    """

    left: frozenset[str]
    held: frozenset[str]

    def __or__(self, other: Outcome) -> Outcome:
        return Outcome(self.left | other.left, self.held | other.held)


@dataclass
class Mailbox:
    """A mailbox and the agent's key to it."""

    environment: Environment = field(repr=False)
    id: str
    address: str
    key: str = field(repr=False)
    _newest: str | None = None
    _seen: int = 0

    def receive(self, messages: Iterable[IncomingMessage]) -> None:
        """Receive messages over one SMTP connection."""
        host, _, port = self.environment.server.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=_TIMEOUT) as connection:
            for message in messages:
                raw = self.environment.signer.compose(message, self.address)
                connection.sendmail(extract_address(message.sender), [self.address], raw)

    @contextmanager
    def tools(
        self,
        policy: PolicyName,
        *,
        listed: Sequence[str] = (),
        store: SessionStore | None = None,
    ) -> Iterator[Toolkit]:
        """Open a toolkit whose guard has no memory of other runs, or the memory in `store`."""
        trust_policy = TrustPolicy(policy, listed=listed)
        with MultiMail(self.key, base_url=self.environment.server.url) as client:
            memory = MemorySessionStore() if store is None else store
            yield Toolkit(client=client, mailbox=self.address, policy=trust_policy, store=memory)

    def outcome(self) -> Outcome:
        """Wait until the outbox is empty; return the outcome since the last call.

        Raises:
            TimeoutError: A message is still being sent.
        """
        commits = self.environment.server.services.context.commits
        sent = commits.wait_for(self._get_settled, _TIMEOUT)
        if sent is None:
            raise TimeoutError(f"The outbox of {self.address} is not empty.")
        self._newest = max((message.id for message in sent), default=self._newest)
        held = [item for item in sent if item.status is State.PENDING_SEND_APPROVAL]
        waiting = [to for item in held for to in (*item.to, *item.cc, *item.bcc)]
        envelopes = self.environment.relay.get_envelopes(self.address)
        left = [to for item in envelopes[self._seen :] for to in item.recipients]
        self._seen = len(envelopes)
        return Outcome(normalize_addresses(left), normalize_addresses(waiting))

    def _get_settled(self) -> list[Message] | None:
        where = MessageFilter(self.id, 1000, direction=Direction.OUTBOUND, since_id=self._newest)
        sent = list(
            self.environment.server.services.context.store.read(lambda tx: tx.list_messages(where))
        )
        return None if any(message.status in _MOVING for message in sent) else sent


class Environment:
    """A server with live keys and a relay. Use it as a context manager.

    Args:
        signer: Composes and signs the incoming mail.
        domains: The domains of the senders, for the zone.
    """

    def __init__(self, signer: MessageSigner, domains: Iterable[str]) -> None:
        self.signer = signer
        self.relay = Relay()
        self._domains = tuple(domains)
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self.server: ServerUnderTest

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="multimail-"))
            zone = Path(folder) / "zone"
            zone.write_text(self.signer.zone(self._domains), "utf-8")
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

    def create_mailbox(self, mode: str, messages: Iterable[IncomingMessage] = ()) -> Mailbox:
        """Make a mailbox with mail in it.

        Args:
            mode: Its oversight mode.
            messages: In instruction of arrival.
        """
        name = f"emma.johnson-{next(self._numbers)}"
        created = _post(self._admin, "/v1/mailboxes", {"address": name, "oversight_mode": mode})
        key = {"name": name, "scopes": ["read", "send"], "mailbox_id": created["id"], "live": True}
        box = Mailbox(
            self, created["id"], created["address"], _post(self._admin, "/v1/api-keys", key)["key"]
        )
        box.receive(messages)
        return box

    def add_contact(self, address: str, name: str) -> None:
        """Add an address to the account's contacts, as its owner."""
        _post(self._owner, "/v1/contacts", {"email": address, "name": name})


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    response.raise_for_status()
    data: dict[str, Any] = response.json()
    return data
