"""The demo command: mail comes in, an agent answers, a human decides, and the proof is shown."""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .local import letters_in, sent_mail, transmitted
from .mail import show_thread, trust_of
from .output import CommandError, document, plain_line, show_fields, show_table, show_text
from .review import show_audit, show_pending
from .session import Session, command

if TYPE_CHECKING:
    from multimail import MultiMail
    from multimail.models import PendingEmail
    from multimail_server.server import EmbeddedServer

    from .demo_agent import Brain
    from .demo_mail import Letter

app = typer.Typer()
T = TypeVar("T")

OUTCOMES = {
    "approve": ("sent", 1, "the reply was approved and delivered"),
    "reject": ("rejected", 0, "the reply was rejected and nothing left"),
    "none": ("pending_send_approval", 0, "the reply still waits for a human and nothing left"),
}
_PATIENCE = 15.0
_PAUSE = 0.02
_SHOWN_HEADERS = ("From", "To", "Subject", "Message-ID", "In-Reply-To", "References")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo is asked to do.

    Attributes:
        brain: Which model thinks.
        decision: `approve`, `reject` or `none`; None asks.
        mail: The user's own mail; None for the demo's.
        dns_zone: A zone file for the user's own mail; None for live DNS.
    """

    brain: Brain
    decision: str | None = None
    mail: Path | None = None
    dns_zone: Path | None = None


@dataclass(slots=True)
class Facts:
    """What the server's own state shows at the end."""

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
    session: Session,
    decision: Annotated[
        str | None, typer.Option(help="approve, reject or none. Default: ask, or approve.")
    ] = None,
    mail: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Your own mail: .eml, mbox, or a directory."),
    ] = None,
    dns_zone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="DNS for your own mail. Default: live DNS.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A real model's name, with OPENAI_API_KEY. Default: offline.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where that model is served. Default: OpenAI.")
    ] = None,
) -> None:
    """Watch an agent answer mail, and decide whether its reply may leave."""
    from .demo_agent import Brain, alone

    if decision is not None and decision not in OUTCOMES:
        raise typer.BadParameter(f"--decision: {decision!r} is not approve, reject or none.")
    if base_url and not model:
        raise typer.BadParameter("--base-url needs --model.")
    plan = Plan(Brain(model, base_url), decision, mail, dns_zone)
    with alone(), redirect_stdout(io.StringIO()) if session.as_json else nullcontext():
        facts = tell(plan)
    if session.as_json:
        document({name: getattr(facts, name) for name in Facts.__slots__})
    if not facts.ok:
        raise typer.Exit(1)


def tell(plan: Plan) -> Facts:
    """Run the whole story; the last line that is printed says how it ended."""
    began = time.monotonic()
    with _stage(plan) as (server, letters):
        facts = _Story(plan, server, letters).run()
    facts.seconds = round(time.monotonic() - began, 2)
    if facts.ok:
        show_text(f"\nOK: {OUTCOMES[facts.decision][2]}.")
    else:
        show_text(f"\nFAILED: {facts.problem}")
    return facts


@contextmanager
def _stage(plan: Plan) -> Iterator[tuple[EmbeddedServer, list[Letter]]]:
    from multimail_server.config import ServerConfig
    from multimail_server.server import EmbeddedServer
    from multimail_server.testing import TestSupport

    from .demo_mail import MAILBOX

    with tempfile.TemporaryDirectory(prefix="multimail-demo-") as directory:
        letters, zone = _letters(plan, Path(directory))
        config = ServerConfig(
            port=0,
            smtp_port=0,
            dns_zone=zone,
            domain=MAILBOX.partition("@")[2],
            mailbox_address=MAILBOX,
            oversight_mode="gated_send",
        )
        with EmbeddedServer(config, TestSupport()) as server:
            yield server, letters


def _letters(plan: Plan, directory: Path) -> tuple[list[Letter], Path | None]:
    if plan.mail is None:
        from .demo_mail import scenario

        return scenario(directory)
    return _own_letters(plan.mail), plan.dns_zone


def _own_letters(path: Path) -> list[Letter]:
    from .demo_mail import Letter

    found = [Letter(raw) for _, raw in letters_in(path)]
    if not found:
        raise CommandError(f"{path} holds no message.", "Give .eml or mbox files.", "no_mail")
    return sorted(found, key=_written)


def _written(letter: Letter) -> float:
    from email import message_from_bytes
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(str(message_from_bytes(letter.raw)["Date"])).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0


class _Story:
    """The demo's acts, in order."""

    def __init__(self, plan: Plan, server: EmbeddedServer, letters: list[Letter]) -> None:
        from multimail import MultiMail

        if server.keys is None:
            raise RuntimeError("A fresh server has keys.")
        self.plan = plan
        self.server = server
        self.letters = letters
        self.key = server.keys.agent
        self.agent = MultiMail(self.key, base_url=server.url)
        self.reviewer = MultiMail(server.keys.reviewer, base_url=server.url)
        self.facts = Facts()

    def run(self) -> Facts:
        with self.agent, self.reviewer:
            self._introduce()
            self._deliver()
            self._think()
            held = self.reviewer.list_pending().items
            if len(held) != 1:
                self.facts.left = len(sent_mail(self.agent))
                self.facts.problem = f"the agent left {len(held)} replies for approval, not one."
                return self.facts
            self._decide(held[0])
            self._prove(held[0])
        return self.facts

    def _introduce(self) -> None:
        show_text("multimail demo: a fresh server on this machine; nothing is kept", "bold")
        thinker = self.plan.brain.model or "scripted, offline; --model NAME takes a real one"
        show_fields(
            (
                ("API", self.server.url),
                ("SMTP", self.server.smtp),
                ("Mailbox", f"{self.server.mailbox.address}, gated_send: a human decides"),
                ("Model", thinker),
            )
        )

    def _deliver(self) -> None:
        import smtplib

        _title(f"1. {len(self.letters)} messages arrive by SMTP")
        host, _, port = self.server.smtp.rpartition(":")
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_PATIENCE) as connection:
            for letter in self.letters:
                connection.sendmail(letter.mail_from, [self.server.mailbox.address], letter.raw)
        page = until(lambda: self.agent.check_inbox(limit=100), lambda page: bool(page.items))
        heads = ("FROM", "TRUST", "SUBJECT")
        show_table(heads, ((m.sender, trust_of(m)["label"], m.subject) for m in page.items[::-1]))

    def _think(self) -> None:
        from .demo_agent import run_agent

        _title("2. The agent works: LangChain's create_agent with MultiMailToolkit")
        self.facts.tools_called = run_agent(
            self.plan.brain,
            url=self.server.url,
            key=self.key,
            mailbox=self.server.mailbox.address,
        )

    def _decide(self, held: PendingEmail) -> None:
        _title("3. The reply is held: this is what the human sees")
        show_pending(held, composer=self._names().get(_composer(held), _composer(held)))
        show_text("")
        decision, reason = _choice(self.plan.decision)
        self.facts.decision = decision
        if decision != "none":
            self.reviewer.decide_email(
                held.id, decision, reason=reason, content_hash=held.content_hash
            )

    def _prove(self, held: PendingEmail) -> None:
        status, leaves, _ = OUTCOMES[self.facts.decision]
        reply = until(lambda: self.agent.read_email(held.id), lambda now: now.status == status)
        left = sent_mail(self.agent)
        _title("4. What the server knows afterwards")
        if reply.thread_id:
            show_thread(self.agent.get_thread(reply.thread_id))
        self._show_outbox(left)
        _title("Audit trail, oldest first")
        show_audit(self.agent.get_audit_log(limit=100).items[::-1], self._names())
        self._judge(held.id, reply.status, status, leaves, left)
        self.facts.reply = {
            "id": reply.id,
            "thread_id": reply.thread_id,
            "to": reply.to,
            "subject": reply.subject,
            "markdown": reply.markdown,
        }

    def _show_outbox(self, left: list[dict[str, Any]]) -> None:
        from email import message_from_bytes
        from email.policy import default as modern

        _title(f"The outbox holds {len(left)} email{'' if len(left) == 1 else 's'}")
        for one in left:
            raw = transmitted(self.agent, str(one["id"]))
            message = message_from_bytes(raw, policy=modern)
            headers = {name: str(message[name] or "") for name in _SHOWN_HEADERS}
            self.facts.headers = headers
            show_fields(headers.items())

    def _judge(
        self, email_id: str, status: str, wanted: str, leaves: int, left: list[dict[str, Any]]
    ) -> None:
        facts = self.facts
        facts.status, facts.left = status, len(left)
        ours = [one for one in left if one["id"] == email_id]
        if status != wanted:
            facts.problem = f"the reply is {status}, not {wanted}."
        elif len(left) != leaves or len(ours) != leaves:
            facts.problem = f"{len(left)} emails left, not {leaves}."
        facts.ok = not facts.problem

    def _names(self) -> dict[str, str]:
        named = {"the agent": self.agent, "the reviewer": self.reviewer}
        return {key: name for name, client in named.items() if (key := _key_id(client))}


def until(look: Callable[[], T], satisfied: Callable[[T], bool]) -> T:
    """Look again until the answer satisfies or patience ends; returns the last answer."""
    deadline = time.monotonic() + _PATIENCE
    answer = look()
    while not satisfied(answer) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        answer = look()
    return answer


def _key_id(client: MultiMail) -> str:
    key = client.get_account().key
    return key.id if key else ""


def _composer(held: PendingEmail) -> str:
    return str((held.model_extra or {}).get("composed_by") or "unknown")


def _choice(given: str | None) -> tuple[str, str | None]:
    """Return the decision and its reason: as given, else as typed, else approval."""
    if given is None and sys.stdin.isatty() and sys.stdout.isatty():
        return _asked()
    if given is None:
        show_text("There is no terminal to ask on, so it is approved (--decision says otherwise).")
        return "approve", None
    show_text(f"Decision: {given}")
    return given, "Rejected in the demo." if given == "reject" else None


def _asked() -> tuple[str, str | None]:
    words = {"a": "approve", "r": "reject", "l": "none"}
    while True:
        typed = typer.prompt("[a]pprove, [r]eject or [l]eave it?", default="a").strip().lower()
        decision = words.get(typed[:1])
        if decision == "reject":
            return decision, plain_line(
                typer.prompt("Why?", default="", show_default=False)
            ) or None
        if decision:
            return decision, None


def _title(text: str) -> None:
    show_text(f"\n{text}", "bold cyan")
