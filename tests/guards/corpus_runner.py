"""The corpus runner: every message of the corpus, sent by SMTP once, and read through the tools."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.guards.corpus_case import MAILBOX, Case, zone
from tests.guards.name_server import Address, NameServer

from multimail.tools import Toolkit, ToolResult
from multimail_server import ServerConfig
from multimail_server.mail.auth.dns import Resolver
from multimail_server.mail.auth.resolvers import live_resolver
from multimail_server.services import Services
from multimail_server.services.drafts import OutboundHeaders
from multimail_server.store.protocol import Store
from multimail_server.testing.server import ServerUnderTest
from multimail_server.workers.relay import Relay

Json = dict[str, Any]
Read = Callable[[str], tuple[str, Json]]
"""Reads an email by id: what the model is shown, and the facts for code where there are any."""

_Key = tuple[str, bool, tuple[tuple[str, Any], ...]]
_NONCE = re.compile(r"(?m)^(</?mail )[0-9a-f]{32}>$")
_DNS_SECONDS = 1.0


class OnLiveDns(ServerUnderTest):
    """A server that asks the network, and there one name server of ours."""

    def __init__(self, config: ServerConfig, name_server: Address) -> None:
        super().__init__(config)
        self._name_server = name_server

    def _build_services(
        self,
        store: Store,
        resolver: Resolver,
        relay: Relay | None,
        outbound_headers: OutboundHeaders,
    ) -> Services:
        live = live_resolver(_DNS_SECONDS, server=self._name_server)
        return super()._build_services(store, live, relay, outbound_headers)


@dataclass
class CorpusRunner:
    """What was received, and who reads it.

    Attributes:
        servers: One on a zone file, and one on live DNS for what no zone file can play.
        refused: What was not taken, by the case's name, and why.
    """

    servers: Sequence[ServerUnderTest]
    refused: dict[str, smtplib.SMTPException] = field(default_factory=dict)
    _open: list[Any] = field(default_factory=list)
    _toolkits: dict[ServerUnderTest, Toolkit] = field(default_factory=dict)
    _readers: dict[_Key, Read] = field(default_factory=dict)
    _seen: dict[tuple[_Key, str], tuple[str, Json]] = field(default_factory=dict)

    def server(self, case: Case) -> ServerUnderTest:
        """Return the one that a case is sent to."""
        return self.servers[case.needs_network]

    def send(self, case: Case) -> None:
        """Send a case and what came before it, in real SMTP conversations."""
        for raw in filter(None, (case.earlier, case.raw)):
            try:
                deliver(self.server(case).smtp, case, raw)
            except smtplib.SMTPException as error:
                self.refused[case.name] = error  # only the tests of this case are to fail

    def get_id(self, case: Case) -> str:
        """Return the id under which a case is stored: only its exact bytes lead to it."""
        context, mailbox = self.server(case).services.context, self.server(case).mailbox
        digest = hashlib.sha256(case.raw).hexdigest()
        since = context.now() - timedelta(days=1)
        message = context.store.read(lambda tx: tx.find_by_raw(mailbox.id, digest, since))
        assert message is not None, f"not stored as it was sent: {self.refused.get(case.name)}"
        return message.id

    def get_raw(self, case: Case) -> bytes:
        """Return the bytes that the server keeps of a case."""
        email_id = self.get_id(case)
        content = self.server(case).services.context.store.read(lambda tx: tx.content(email_id))
        assert content is not None
        return content.raw

    def read(self, case: Case, way: str = "core", **options: Any) -> tuple[str, Json]:
        """Read a case through `core` or a framework; what was read once is remembered.

        Args:
            case: The case.
            way: `core`, or a name in `FRAMEWORKS`.
            options: More for the toolkit, such as its policy.
        """
        key = (way, case.needs_network, tuple(sorted(options.items())))
        if key not in self._readers:
            facts = self._connection(self.server(case)) | options
            toolkit, self._readers[key] = READERS[way](facts)
            self._open.append(toolkit)
        seen = (key, case.name)
        if seen not in self._seen:
            self._seen[seen] = self._readers[key](self.get_id(case))
        return self._seen[seen]

    def call(self, case: Case, name: str, **arguments: Any) -> ToolResult:
        """Call another tool on the server of a case."""
        return self._toolkit(self.server(case)).call(name, arguments)

    def pages(self) -> list[ToolResult]:
        """Return listings of all that came."""
        listings: list[ToolResult] = []
        for server in self.servers:
            arguments: Json = {"limit": 50}
            while "cursor" not in arguments or arguments["cursor"]:
                listings.append(self._toolkit(server).call("check_inbox", arguments))
                arguments["cursor"] = listings[-1].data["cursor"]
        return listings

    def _toolkit(self, server: ServerUnderTest) -> Toolkit:
        if server not in self._toolkits:
            self._toolkits[server] = Toolkit(**self._connection(server))
            self._open.append(self._toolkits[server])
        return self._toolkits[server]

    @staticmethod
    def _connection(server: ServerUnderTest) -> Json:
        keys, box = server.keys, server.mailbox
        return {"api_key": keys.agent, "base_url": server.url, "mailbox": box.id}

    def close(self) -> None:
        """Close the readers' connections."""
        for toolkit in self._open:
            toolkit.close()


def deliver(smtp: str, case: Case, raw: bytes) -> None:
    """Send bytes as they are, as the case's client and from its envelope's sender."""
    host, _, port = smtp.rpartition(":")
    options = [] if case.mail_from.isascii() else ["SMTPUTF8"]
    with smtplib.SMTP(host, int(port), local_hostname=case.helo, timeout=30) as connection:
        connection.sendmail(case.mail_from, [MAILBOX], raw, mail_options=options)


@contextmanager
def run_corpus(cases: Sequence[Case], folder: Path) -> Iterator[CorpusRunner]:
    """Run the servers, with every case received."""
    path = folder / "zone"
    path.write_text(zone(case for case in cases if not case.needs_network), "utf-8")
    config = ServerConfig(port=0, smtp_port=0, dns_zone=path)
    silent = zone(case for case in cases if case.needs_network)
    with (
        NameServer(silent) as names,
        ServerUnderTest(config) as plain,
        OnLiveDns(config, names.address) as live,
    ):
        runner = CorpusRunner((plain, live))
        for case in cases:
            runner.send(case)
        yield runner
        runner.close()


def without_nonce(text: str) -> str:
    """Return a text with the marks of its fence made equal to everyone's."""
    return _NONCE.sub(r"\1nonce>", text)


def _core(facts: Json) -> tuple[Any, Read]:
    toolkit = Toolkit(**facts)

    def read(email_id: str) -> tuple[str, Json]:
        result = toolkit.call("read_email", {"email_id": email_id})
        return result.text, result.data

    return toolkit, read


def _langchain(facts: Json) -> tuple[Any, Read]:
    toolkit, tool = _native("langchain_multimail", facts)

    def read(email_id: str) -> tuple[str, Json]:
        call = {"name": tool.name, "args": {"email_id": email_id}, "id": "1", "type": "tool_call"}
        message = tool.invoke(call)
        return str(message.content), message.artifact

    return toolkit, read


def _crewai(facts: Json) -> tuple[Any, Read]:
    toolkit, tool = _native("crewai_multimail", facts)

    def read(email_id: str) -> tuple[str, Json]:
        answer = json.loads(tool.run(email_id=email_id))
        return answer["text"], answer

    return toolkit, read


def _smolagents(facts: Json) -> tuple[Any, Read]:
    toolkit, tool = _native("smolagents_multimail", facts)

    def read(email_id: str) -> tuple[str, Json]:
        reply = tool(email_id=email_id)
        return str(reply), dict(reply)

    return toolkit, read


def _agno(facts: Json) -> tuple[Any, Read]:
    toolkit, tool = _native("agno_multimail", facts)
    calls = importlib.import_module("agno.tools.function")

    def read(email_id: str) -> tuple[str, Json]:
        done = calls.FunctionCall(function=tool, arguments={"email_id": email_id}).execute()
        return str(done.result.content), {}

    return toolkit, read


def _native(package: str, facts: Json) -> tuple[Any, Any]:
    toolkit = importlib.import_module(package).MultiMailToolkit(**facts)
    return toolkit, next(tool for tool in toolkit.get_tools() if tool.name == "read_email")


READERS: dict[str, Callable[[Json], tuple[Any, Read]]] = {
    "core": _core,
    "langchain": _langchain,
    "crewai": _crewai,
    "smolagents": _smolagents,
    "agno": _agno,
}
FRAMEWORKS = tuple(name for name in READERS if name != "core")
