"""The doctor command: checks the installation and the configuration, and says how to fix them."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from .context import KEY_VARIABLE, CommandContext, command, key_prefix
from .output import console, document, plain_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from multimail import MultiMail
    from multimail.models import Health

app = typer.Typer()

_PACKAGE = "multimail"
_RETIRED = ("multimail", "langchain-multimail", "crewai-multimail")
_LAST_RETIRED = (0, 1, 1)
_FRAMEWORKS = (
    *("langchain", "langchain-core", "langchain-openai", "langgraph"),
    *("crewai", "smolagents", "agno"),
    *("autogen-core", "autogen-agentchat", "semantic-kernel", "pydantic-ai-slim"),
    "openai-agents",
    "agent-framework-core",
    "google-adk",
    "llama-index-core",
)
_REINSTALL = (
    "Uninstall all of them, then install again: "
    f"pip uninstall -y {' '.join(_RETIRED)} && pip install multimail"
)
_MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "info": "       "}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        about: What was checked.
        state: `ok`, `info`, `warning` or `broken`.
        detail: The state in words.
        remedy: What to do; empty if there is no problem.
    """

    about: str
    state: str
    detail: str
    remedy: str = ""


@command(app)
def doctor(context: CommandContext) -> None:
    """Check the configuration, the connection, the key and the installation."""
    findings = list(_run_checks(context))
    healthy = all(item.state != "broken" for item in findings)
    if context.as_json:
        document({"ok": healthy, "checks": [asdict(item) for item in findings]})
    else:
        _show(findings, healthy=healthy)
    if not healthy:
        raise typer.Exit(1)


def _show(findings: list[CheckResult], *, healthy: bool) -> None:
    screen = console()
    styles = {"broken": "bold red", "warning": "yellow"}
    for item in findings:
        line = f"{_MARKS[item.state]}  {item.about}: {plain_line(item.detail)}"
        screen.print(line, style=styles.get(item.state))
        if item.remedy:
            screen.print(f"           -> {plain_line(item.remedy)}")
    screen.print("Everything works." if healthy else "Something is broken: see above.")


def _run_checks(context: CommandContext) -> Iterator[CheckResult]:
    yield from _check_packages()
    yield from _check_configuration(context)
    if not context.key:
        return
    try:
        client = context.client()
    except Exception as error:
        yield _broken("configuration", error)
        return
    with client:
        yield from _check_connection(client)


def _check_packages() -> Iterator[CheckResult]:
    yield CheckResult("python", "info", sys.version.split()[0])
    for package in check_installation():
        state = "broken" if package.remedy else "info"
        yield CheckResult(package.name, state, package.detail, package.remedy)


def _check_configuration(context: CommandContext) -> Iterator[CheckResult]:
    from multimail._config import DEFAULT_BASE_URL

    if context.key:
        detail = f"{key_prefix(context.key)} from {context.key_env}"
        yield CheckResult("key", "ok", detail)
    else:
        remedy = f"export {context.key_env}=mm_…; `multimail serve` prints one for this machine."
        yield CheckResult("key", "broken", f"{context.key_env} is not set", remedy)
    if context.key_env == KEY_VARIABLE and context.key and not context.key.startswith("mm_"):
        yield CheckResult(
            "key", "warning", "it does not start with mm_test_ or mm_live_", "Copy it again."
        )
    yield CheckResult(
        "url",
        "ok",
        _describe_source("--url", context.url, ("MULTIMAIL_API_URL",), DEFAULT_BASE_URL),
    )
    names = ("MULTIMAIL_MAILBOX", "MULTIMAIL_MAILBOX_ID")
    yield CheckResult(
        "mailbox", "ok", _describe_source("--mailbox", context.mailbox, names, "the only mailbox")
    )


def _describe_source(option: str, value: str | None, names: tuple[str, ...], default: str) -> str:
    if value:
        return f"{value} from {option}"
    for name in names:
        if os.environ.get(name):
            return f"{os.environ[name]} from {name}"
    return f"{default} (default)"


def _check_connection(client: MultiMail) -> Iterator[CheckResult]:
    server = _try("server", lambda: f"{client.base_url} is {client.get_health().status}")
    yield server
    if server.state == "broken":
        return
    health = client.get_health()
    yield _check_tools(health)
    yield _check_stream(health)
    yield _check_conversations()
    yield from _check_scopes(client)
    yield _try("mailbox in use", lambda: _describe_mailbox(client))
    yield from _check_deliveries(client)
    yield from _check_accounts(client)


def _check_deliveries(client: MultiMail) -> Iterator[CheckResult]:
    """Say whether mail leaves this server; another service does not answer that."""
    from multimail import Call, MultiMailError

    ask: Call[Any] = Call("ready", "GET", "/ready", lambda answer: answer)
    try:
        ready = client.run(ask)
    except MultiMailError:
        return
    if ready.get("relay") == "unavailable":
        detail = f"the relay takes no mail since {ready.get('relay_since')}; it is asked again"
        remedy = "The server's log says why. Correct --relay, or wait: no mail is lost."
        yield CheckResult("deliveries", "broken", detail, remedy)
    elif ready.get("paused"):
        detail = "paused, since the data was restored from a backup"
        yield CheckResult("deliveries", "warning", detail, "multimail resume --data FILE")
    else:
        yield CheckResult("deliveries", "ok", f"waiting: {ready['waiting']['outbox']}")


def _try(about: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(about, "ok", check())
    except Exception as error:
        return _broken(about, error)


def _broken(about: str, error: Exception) -> CheckResult:
    remedy = getattr(error, "remedy", "") or "Check the configuration above."
    return CheckResult(about, "broken", getattr(error, "message", str(error)), remedy)


def _check_tools(health: Health) -> CheckResult:
    """Say which tools are not offered to agents, because the server lacks what they need."""
    from multimail.tools import AGENT_TOOLS, list_missing_tools

    missing = list_missing_tools(health)
    if not missing:
        return CheckResult("tools", "ok", f"this server has what all {len(AGENT_TOOLS)} need")
    detail = f"not offered, since this server lacks what they need: {', '.join(missing)}"
    return CheckResult("tools", "info", detail)


def _check_stream(health: Health) -> CheckResult:
    """Say whether `listen` works, which needs no public URL."""
    if "listen" in (health.extensions or ()):
        return CheckResult("event stream", "ok", "this server has one: `multimail listen`")
    detail = "this server has none: take events by webhook, or ask with `wait_for_email`"
    return CheckResult("event stream", "info", detail)


def _check_conversations() -> CheckResult:
    """Say that jobs of one process share a conversation; where frameworks name none, warn."""
    from importlib.metadata import packages_distributions

    modules = packages_distributions().keys()
    nameless = [name for name, module in _NAMELESS.items() if module in modules]
    detail = "calls that name none share one for each process: what one job read holds the next"
    if not nameless:
        return CheckResult("conversations", "info", detail)
    detail = f"{detail}. {', '.join(nameless)} never names one"
    return CheckResult("conversations", "warning", detail, _PART_JOBS)


_NAMELESS = {
    "smolagents": "smolagents", "AutoGen": "autogen_core", "Semantic Kernel": "semantic_kernel",
    "OpenAI Agents SDK": "agents", "LlamaIndex": "llama_index",
}  # fmt: skip
"""The frameworks that do not tell a tool which conversation it serves, and their modules."""
_PART_JOBS = "In a program with several jobs: with toolkit.conversation('job-17'): …"


def _check_scopes(client: MultiMail) -> Iterator[CheckResult]:
    from multimail import MultiMailError, PermissionDeniedError

    try:
        key = client.get_account().key
    except PermissionDeniedError:
        yield CheckResult("scopes", "info", "unknown, since this key cannot read the account")
        return
    except MultiMailError as error:
        yield _broken("scopes", error)
        return
    if key is None or not key.scopes:
        yield CheckResult("scopes", "info", "unknown, since the API does not return them")
        return
    yield CheckResult("scopes", "ok", ", ".join(key.scopes))
    if {"send", "oversight"} <= set(key.scopes):
        remedy = "Create two keys: one with read and send, one with read and oversight."
        yield CheckResult(
            "oversight",
            "warning",
            "a key that can both send and decide lets an agent approve its own mail",
            remedy,
        )
    elif "admin" in key.scopes:
        remedy = "Give agents a key with only read and send."
        detail = "this key can create other keys, also keys that can decide"
        yield CheckResult("oversight", "warning", detail, remedy)


def _check_accounts(client: MultiMail) -> Iterator[CheckResult]:
    """Say how each mailbox that stays at its provider is."""
    from multimail import MultiMailError

    try:
        mailboxes: list[Any] = client.list_mailboxes()
    except MultiMailError:
        return  # What is wrong was said above.
    for box in mailboxes:
        connection = getattr(box, "connection", None)
        if connection:
            state, detail = connection.get("state"), connection.get("detail")
            words = f"{box.address} at its provider is {state}{f': {detail}' if detail else ''}"
            broken = state == "refused"
            mark = "broken" if broken else "warning" if state == "waiting" else "ok"
            remedy = f"multimail connect {box.address}" if broken else ""
            yield CheckResult("connected mailbox", mark, words, remedy)


def _describe_mailbox(client: MultiMail) -> str:
    box: Any = client.get_mailbox()
    return f"{box.address} ({box.id}), oversight {box.oversight_mode or 'unknown'}"


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """An installed distribution, and the problem with it.

    Attributes:
        name: The distribution.
        detail: Its version, or the problem.
        remedy: What to do; empty if there is no problem.
    """

    name: str
    detail: str
    remedy: str = ""


def check_installation(
    distributions: Iterable[Distribution] | None = None,
) -> list[InstalledPackage]:
    """Return the versions that matter, and what is wrong with the installation.

    Args:
        distributions: The distributions; default those of this environment.
    """
    from importlib import metadata

    installed = _deduplicate(metadata.distributions() if distributions is None else distributions)
    return [*_get_versions(installed), *_find_retired(installed), *_find_shared_files(installed)]


def _deduplicate(distributions: Iterable[Distribution]) -> list[tuple[str, Distribution]]:
    seen: dict[tuple[str, str], Distribution] = {}
    for item in distributions:
        name = _normalize(item.name or "")
        seen.setdefault((name, str(item.locate_file(f"{name}-{item.version}"))), item)
    return [(name, item) for (name, _), item in seen.items()]


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _get_versions(installed: list[tuple[str, Distribution]]) -> Iterator[InstalledPackage]:
    for package in (_PACKAGE, *_FRAMEWORKS):
        for name, item in installed:
            if name == package:
                yield InstalledPackage(name, item.version)
                break


def _find_retired(installed: list[tuple[str, Distribution]]) -> Iterator[InstalledPackage]:
    for name, item in installed:
        if name in _RETIRED and _parse_release(item.version) <= _LAST_RETIRED:
            yield InstalledPackage(
                name, f"the retired version {item.version} is installed", _REINSTALL
            )


def _parse_release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, numbers[1].split("."))) if numbers else (0,)


def _find_shared_files(installed: list[tuple[str, Distribution]]) -> Iterator[InstalledPackage]:
    """Find files that two distributions own: uninstalling one removes them from the other."""
    owners: dict[str, set[str]] = defaultdict(set)
    for name, item in installed:
        if _PACKAGE in name:
            for file in item.files or ():
                if ".dist-info" not in str(file):
                    owners[str(item.locate_file(file))].add(f"{name} {item.version}")
    pairs = {tuple(sorted(names)) for names in owners.values() if len(names) > 1}
    for names in sorted(pairs):
        yield InstalledPackage(_PACKAGE, f"{' and '.join(names)} own the same files", _REINSTALL)
