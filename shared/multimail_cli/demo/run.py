"""The demo command: mail arrives, an agent replies, a person decides, the server shows the result.

Everything that is printed as a result is read back from the server.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from ..context import CommandContext, command
from ..embedded import get_outbox, get_sent_raw, read_messages
from ..mail import get_trust, show_thread
from ..output import (
    CommandError,
    document,
    is_terminal,
    plain_line,
    show_fields,
    show_table,
    show_text,
)
from ..review import show_audit, show_pending

if TYPE_CHECKING:
    from multimail import MultiMail
    from multimail.models import PendingEmail
    from multimail_server.server import EmbeddedServer

    from .agent import ModelChoice
    from .mail import RawMessage

app = typer.Typer()
T = TypeVar("T")


class Outcome(NamedTuple):
    """The expected state after a decision, and the words for it."""

    status: str
    sent: int
    summary: str


OUTCOMES = {
    "approve": Outcome("sent", 1, "the reply was approved and delivered"),
    "reject": Outcome("rejected", 0, "the reply was rejected and nothing was sent"),
    "none": Outcome(
        "pending_send_approval", 0, "the reply still waits for approval and nothing was sent"
    ),
}
_TIMEOUT = 15.0
_POLL_INTERVAL = 0.02
_SHOWN_HEADERS = ("From", "To", "Subject", "Message-ID", "In-Reply-To", "References")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of the command.

    Attributes:
        model: Which model the agent uses.
        decision: `approve`, `reject` or `none`; None asks.
        mail: The user's own mail; None for the demo's.
        dns_zone: A zone file for the user's own mail; None for live DNS.
        verbose: Whether to show whole texts and the audit log at the end.
    """

    model: ModelChoice
    decision: str | None = None
    mail: Path | None = None
    dns_zone: Path | None = None
    verbose: bool = False


@dataclass(slots=True)
class DemoResult:
    """The result, read from the server's state at the end. `--json` prints it.

    Attributes:
        ok: Whether the final state is the expected one.
        problem: What differs from it.
        decision: `approve`, `reject` or `none`.
        status: The status of the reply.
        left: How many messages the server sent.
        tools_called: The names of the tools that the agent called, in order.
        reply: The reply.
        headers: Headers of the sent message.
        seconds: How long the demo took.
    """

    ok: bool = False
    problem: str = ""
    decision: str = ""
    status: str = ""
    left: int = 0
    tools_called: list[str] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@command(app, remote=False)
def demo(
    context: CommandContext,
    decision: Annotated[
        str | None,
        typer.Option(help="approve, reject or none. Default: ask; without a terminal, approve."),
    ] = None,
    mail: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Your own mail: .eml, mbox, or a directory."),
    ] = None,
    dns_zone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="DNS for your own mail. Default: live DNS.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The name of a real model, with OPENAI_API_KEY. Default: offline."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where that model is served. Default: OpenAI.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the whole thread and the audit log, too.")
    ] = False,
) -> None:
    """Watch an agent answer mail, and decide whether its reply is sent."""
    from .agent import ModelChoice, isolated_environment

    if decision is not None and decision not in OUTCOMES:
        raise typer.BadParameter(f"--decision: {decision!r} is not approve, reject or none.")
    if base_url and not model:
        raise typer.BadParameter("--base-url needs --model.")
    for name in ("langchain", "langchain_openai"):  # Said before the story begins.
        if find_spec(name) is None:
            raise ModuleNotFoundError(name, name=name)
    options = DemoOptions(ModelChoice(model, base_url), decision, mail, dns_zone, verbose)
    quiet = redirect_stdout(io.StringIO()) if context.as_json else nullcontext()
    with isolated_environment(), quiet:
        result = run_demo(options)
    if context.as_json:
        document(asdict(result))
    if not result.ok:
        raise typer.Exit(1)


def run_demo(options: DemoOptions) -> DemoResult:
    """Run the demo; the last printed line says how it ended."""
    start = time.monotonic()
    with _start_server(options) as (server, messages):
        result = _Demo(options, server, messages).run()
    result.seconds = round(time.monotonic() - start, 2)
    if result.ok:
        show_text(f"\nOK: {OUTCOMES[result.decision].summary}.")
    else:
        show_text(f"\nFAILED: {result.problem}")
    return result


@contextmanager
def _start_server(options: DemoOptions) -> Iterator[tuple[EmbeddedServer, list[RawMessage]]]:
    from multimail_server.config import ServerConfig
    from multimail_server.server import EmbeddedServer
    from multimail_server.testing import TestSupport

    from .mail import DOMAIN, MAILBOX

    with tempfile.TemporaryDirectory(prefix="multimail-demo-") as directory:
        messages, zone = _load_mail(options, Path(directory))
        config = ServerConfig(
            port=0,
            smtp_port=0,
            dns_zone=zone,
            domain=DOMAIN,
            mailbox_address=MAILBOX,
            oversight_mode="gated_send",
            undo_seconds=2,
        )
        with EmbeddedServer(config, TestSupport()) as server:
            yield server, messages


def _load_mail(options: DemoOptions, directory: Path) -> tuple[list[RawMessage], Path | None]:
    from .mail import RawMessage, build_scenario

    if options.mail is None:
        return build_scenario(directory)
    from multimail_server.testing.seeding import get_mail_from

    messages = [RawMessage(raw, get_mail_from(raw)) for _, raw in read_messages(options.mail)]
    if not messages:
        raise CommandError(
            f"{options.mail} contains no message.", "Give .eml or mbox files.", "no_mail"
        )
    return sorted(messages, key=_get_date), options.dns_zone


def _get_date(message: RawMessage) -> float:
    from email import message_from_bytes
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(str(message_from_bytes(message.raw)["Date"])).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0


class _Demo:
    """The steps of the demo, in order."""

    def __init__(
        self, options: DemoOptions, server: EmbeddedServer, messages: list[RawMessage]
    ) -> None:
        from multimail import MultiMail

        assert server.keys is not None, "a new server has keys"
        self.options = options
        self.server = server
        self.messages = messages
        self.agent_key = server.keys.agent
        self.agent = MultiMail(server.keys.agent, base_url=server.url)
        self.reviewer = MultiMail(server.keys.reviewer, base_url=server.url)
        self.result = DemoResult()

    def run(self) -> DemoResult:
        with self.agent, self.reviewer:
            self._introduce()
            self._deliver_mail()
            self._run_agent()
            pending = self.reviewer.list_pending().items
            if len(pending) != 1:
                self.result.left = len(get_outbox(self.agent))
                self.result.problem = (
                    f"{len(pending)} replies wait for approval; exactly one was expected."
                )
                return self.result
            self._decide(pending[0])
            self._show_result(pending[0])
        return self.result

    def _introduce(self) -> None:
        show_text("multimail demo: a temporary server on this machine; nothing is stored", "bold")
        model = self.options.model.name or "scripted, offline (--model NAME uses a real one)"
        show_fields(
            (
                ("API", self.server.url),
                ("SMTP", self.server.smtp),
                (
                    "Mailbox",
                    f"{self.server.mailbox.address} (gated_send: a person approves each message)",
                ),
                ("Model", model),
            )
        )

    def _deliver_mail(self) -> None:
        import smtplib

        _show_title(f"1. {len(self.messages)} messages arrive by SMTP")
        host, _, port = self.server.smtp.rpartition(":")
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_TIMEOUT) as connection:
            for message in self.messages:
                connection.sendmail(message.mail_from, [self.server.mailbox.address], message.raw)
        page = _poll(lambda: self.agent.check_inbox(limit=100), lambda page: bool(page.items))
        rows = ((item.sender, get_trust(item)["label"], item.subject) for item in page.items[::-1])
        show_table(("FROM", "TRUST", "SUBJECT"), rows)

    def _run_agent(self) -> None:
        from .agent import run_agent

        _show_title("2. The agent works (LangChain's create_agent with MultiMailToolkit)")
        self.result.tools_called = run_agent(
            self.options.model,
            url=self.server.url,
            key=self.agent_key,
            mailbox=self.server.mailbox.address,
        )

    def _decide(self, pending: PendingEmail) -> None:
        _show_title("3. The reply waits for approval; the reviewer sees this")
        composer = _get_composer(pending)
        show_pending(pending, composer=self._key_names().get(composer, composer))
        show_text("")
        decision, reason = self._choose_decision(pending.id)
        self.result.decision = decision
        if decision != "none" and self._is_pending(pending.id):
            self.reviewer.decide_email(
                pending.id, decision, reason=reason, content_hash=pending.content_hash
            )

    def _choose_decision(self, email_id: str) -> tuple[str, str | None]:
        """Return the decision and its reason: from the option, else a person's, else approval."""
        option = self.options.decision
        if option is None and is_terminal(sys.stdin) and is_terminal(sys.stdout):
            return self._ask_decision(email_id)
        if option is None:
            show_text("There is no terminal to ask on, so the reply is approved; see --decision.")
            return "approve", None
        show_text(f"Decision: {option}")
        return option, "Rejected in the demo." if option == "reject" else None

    def _ask_decision(self, email_id: str) -> tuple[str, str | None]:
        """Let the person decide on the review page, or here; Enter alone approves nothing."""
        assert self.server.keys is not None, "a new server has keys"
        show_text(f"Decide on the page: {self.server.url}/review/{email_id}", "bold")
        show_text(f"  Sign in with the reviewer's key: {self.server.keys.reviewer}")
        decisions = {"a": "approve", "r": "reject", "l": "none"}
        question = "Or here: [a]pprove, [r]eject, [l]eave it; Enter after a decision on the page"
        while True:
            typed = typer.prompt(question, default="", show_default=False).strip().lower()
            status = self.agent.read_email(email_id).status
            if status != "pending_send_approval":
                return "reject" if status == "rejected" else "approve", None
            decision = decisions.get(typed[:1])
            if decision == "reject":
                reason = typer.prompt("Reason", default="", show_default=False)
                return decision, plain_line(reason) or None
            if decision:
                return decision, None
            show_text("It waits for a decision. Type a, r or l, or decide on the page.")

    def _is_pending(self, email_id: str) -> bool:
        return self.agent.read_email(email_id).status == "pending_send_approval"

    def _show_result(self, pending: PendingEmail) -> None:
        expected = OUTCOMES[self.result.decision]
        reply = _poll(
            lambda: self.agent.read_email(pending.id), lambda reply: reply.status == expected.status
        )
        outbox = get_outbox(self.agent)
        if self.options.verbose and reply.thread_id:
            _show_title("The thread, as the server has it now")
            show_thread(self.agent.get_thread(reply.thread_id))
        self._show_outbox(outbox)
        if self.options.verbose:
            _show_title("Audit log, oldest first")
            show_audit(self.agent.get_audit_log(limit=100).items[::-1], self._key_names())
        self._check(pending.id, reply.status, expected, outbox)
        self.result.reply = {
            "id": reply.id,
            "thread_id": reply.thread_id,
            "to": reply.to,
            "subject": reply.subject,
            "markdown": reply.markdown,
        }

    def _show_outbox(self, outbox: list[dict[str, Any]]) -> None:
        from email import message_from_bytes
        from email.policy import default

        _show_title(f"4. Sent: {len(outbox)} message{'' if len(outbox) == 1 else 's'}")
        for row in outbox:
            message = message_from_bytes(get_sent_raw(self.agent, str(row["id"])), policy=default)
            headers = {name: str(message[name] or "") for name in _SHOWN_HEADERS}
            self.result.headers = headers
            show_fields(headers.items())

    def _check(
        self, email_id: str, status: str, expected: Outcome, outbox: list[dict[str, Any]]
    ) -> None:
        result = self.result
        result.status, result.left = status, len(outbox)
        replies = [row for row in outbox if row["id"] == email_id]
        if status != expected.status:
            result.problem = f"the status of the reply is {status}, not {expected.status}."
        elif len(outbox) != expected.sent or len(replies) != expected.sent:
            result.problem = f"{len(outbox)} messages were sent, not {expected.sent}."
        result.ok = not result.problem

    def _key_names(self) -> dict[str, str]:
        clients = {"the agent": self.agent, "the reviewer": self.reviewer}
        return {key_id: name for name, client in clients.items() if (key_id := _get_key_id(client))}


def _poll(get: Callable[[], T], is_final: Callable[[T], bool]) -> T:
    """Call `get` until its result is final or the timeout has passed; return the last result."""
    deadline = time.monotonic() + _TIMEOUT
    result = get()
    while not is_final(result) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
        result = get()
    return result


def _get_key_id(client: MultiMail) -> str:
    key = client.get_account().key
    return key.id if key else ""


def _get_composer(pending: PendingEmail) -> str:
    return str((pending.model_extra or {}).get("composed_by") or "unknown")


def _show_title(text: str) -> None:
    show_text(f"\n{text}", "bold cyan")
