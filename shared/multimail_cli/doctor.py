"""The doctor command: whether this set-up works, and what to do where it does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from .installation import check_installation
from .output import console, document, plain_line
from .session import KEY_VARIABLE, Session, command, key_prefix

if TYPE_CHECKING:
    from multimail import MultiMail

app = typer.Typer()

_MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "info": "       "}
_DECIDES = "a key that both sends and decides lets an agent approve its own mail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: What it is about.
        state: `ok`, `info`, `warning` or `broken`.
        detail: What was found.
        remedy: What to do, where something is wrong.
    """

    about: str
    state: str
    detail: str
    remedy: str = ""


@command(app)
def doctor(session: Session) -> None:
    """Check the configuration, the connection, the key and the installation."""
    findings = list(_examine(session))
    healthy = all(one.state != "broken" for one in findings)
    if session.as_json:
        document({"ok": healthy, "checks": [asdict(one) for one in findings]})
    else:
        _show(findings, healthy=healthy)
    if not healthy:
        raise typer.Exit(1)


def _show(findings: list[Finding], *, healthy: bool) -> None:
    screen = console()
    styles = {"broken": "bold red", "warning": "yellow"}
    for one in findings:
        line = f"{_MARKS[one.state]}  {one.about}: {plain_line(one.detail)}"
        screen.print(line, style=styles.get(one.state))
        if one.remedy:
            screen.print(f"           -> {plain_line(one.remedy)}")
    screen.print("Nothing is broken." if healthy else "Something is broken: see above.")


def _examine(session: Session) -> Iterator[Finding]:
    yield from _installation()
    yield from _configuration(session)
    if not session.key:
        return
    try:
        client = session.client()
    except Exception as error:
        yield _fault("configuration", error)
        return
    with client:
        yield from _connection(client)


def _installation() -> Iterator[Finding]:
    yield Finding("python", "info", sys.version.split()[0])
    for one in check_installation():
        state = "broken" if one.remedy else "info"
        yield Finding(one.name, state, one.detail, one.remedy)


def _configuration(session: Session) -> Iterator[Finding]:
    from multimail._config import DEFAULT_BASE_URL

    if session.key:
        detail = f"{key_prefix(session.key)} from {session.key_env}"
        yield Finding("key", "ok", detail)
    else:
        remedy = f"export {session.key_env}=mm_…; `multimail serve` prints one for this machine."
        yield Finding("key", "broken", f"{session.key_env} is not set", remedy)
    if session.key_env == KEY_VARIABLE and session.key and not session.key.startswith("mm_"):
        yield Finding("key", "warning", "it does not start with mm_test_ or mm_live_", "Copy it.")
    yield Finding(
        "url", "ok", _source("--url", session.url, ("MULTIMAIL_API_URL",), DEFAULT_BASE_URL)
    )
    names = ("MULTIMAIL_MAILBOX", "MULTIMAIL_MAILBOX_ID")
    yield Finding("mailbox", "ok", _source("--mailbox", session.mailbox, names, "the only one"))


def _source(option: str, given: str | None, names: tuple[str, ...], default: str) -> str:
    if given:
        return f"{given} from {option}"
    for name in names:
        if os.environ.get(name):
            return f"{os.environ[name]} from {name}"
    return f"{default} (default)"


def _connection(client: MultiMail) -> Iterator[Finding]:
    reached = _try("server", lambda: f"{client.base_url} is {client.get_health().status}")
    yield reached
    if reached.state == "broken":
        return
    yield from _scopes(client)
    yield _try("mailbox in use", lambda: _mailbox(client))


def _try(about: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(about, "ok", look())
    except Exception as error:
        return _fault(about, error)


def _fault(about: str, error: Exception) -> Finding:
    remedy = getattr(error, "remedy", "") or "Check the configuration above."
    return Finding(about, "broken", getattr(error, "message", str(error)), remedy)


def _scopes(client: MultiMail) -> Iterator[Finding]:
    from multimail import MultiMailError, PermissionDeniedError

    try:
        key = client.get_account().key
    except PermissionDeniedError:
        yield Finding("scopes", "info", "this key may not see the account, so they are not known")
        return
    except MultiMailError as error:
        yield _fault("scopes", error)
        return
    if key is None or not key.scopes:
        yield Finding("scopes", "info", "the API does not tell them")
        return
    yield Finding("scopes", "ok", ", ".join(key.scopes))
    if {"send", "oversight"} <= set(key.scopes):
        remedy = "Make two keys: one with read and send, one with read and oversight."
        yield Finding("oversight", "warning", _DECIDES, remedy)
    elif "admin" in key.scopes:
        remedy = "Give agents a key with read and send only."
        detail = "this key can make other keys, ones that decide among them"
        yield Finding("oversight", "warning", detail, remedy)


def _mailbox(client: MultiMail) -> str:
    box: Any = client.get_mailbox()
    return f"{box.address} ({box.id}), oversight {box.oversight_mode or 'unknown'}"
