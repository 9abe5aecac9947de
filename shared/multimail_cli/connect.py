"""The commands connect and disconnect: a mailbox that stays at its provider, worked on here."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multimail_server.oversight import Mode

from .context import CommandContext, DatabaseOption, DataOption, command, open_data
from .output import CommandError, is_terminal, show_text

if TYPE_CHECKING:
    from multimail_server.services.connecting import ConnectionRequest
    from multimail_server.sources.account import AccountOptions, Host, Secret
    from multimail_server.sources.imap import FolderState
    from multimail_server.sources.tokens import TokenSource

app = typer.Typer()

_LOCAL_URL = "http://127.0.0.1:8025"
_SERVER_TIMEOUT = 30.0
_DAYS = re.compile(r"(\d{1,5})\s*d?")
_ABILITIES = {
    "read_only": "read its mail, and change nothing",
    "gated_all": "read what you release, and write what you approve",
    "gated_send": "read its mail; what it writes waits until you approve it",
    "monitored": "read its mail and send at once; you are notified",
    "autonomous": "read its mail and send at once",
}


@command(app, remote=False)
def connect(
    context: CommandContext,
    address: Annotated[str, typer.Argument(help="The address, such as you@example.com.")],
    imap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where its mail is read.")
    ] = None,
    smtp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where its mail is submitted.")
    ] = None,
    tls: Annotated[
        str, typer.Option(help="required, starttls, or none (on this machine only).")
    ] = "required",
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="The login name. Default: the address.")
    ] = None,
    password_env: Annotated[
        str | None,
        typer.Option(metavar="VAR", help="The environment variable that holds the password."),
    ] = None,
    token_command: Annotated[
        str | None, typer.Option(metavar="CMD", help="A command that prints an access token.")
    ] = None,
    oauth: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER", help="Sign in by OAuth at google or microsoft."),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Your OAuth client, with --oauth.")
    ] = None,
    client_secret_env: Annotated[
        str | None,
        typer.Option(metavar="VAR", help="The environment variable with its secret."),
    ] = None,
    refresh_token_env: Annotated[
        str | None,
        typer.Option(metavar="VAR", help="The environment variable with a refresh token."),
    ] = None,
    device: Annotated[
        bool, typer.Option("--device", help="With --oauth: sign in on another device, by a code.")
    ] = False,
    folder: Annotated[str, typer.Option(help="The folder that new mail comes to.")] = "INBOX",
    since: Annotated[
        str, typer.Option(metavar="DAYS", help="How much older mail appears, such as 14d.")
    ] = "14d",
    mode: Annotated[Mode, typer.Option(help="The oversight mode.")] = Mode.GATED_SEND,
    handover: Annotated[
        str,
        typer.Option(help="send: an approved reply is sent. draft: a held one waits in Drafts."),
    ] = "send",
    marks: Annotated[
        bool, typer.Option(help="Mark mail as read and answered at the provider, too.")
    ] = True,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Let an agent work on a mailbox that stays at its provider."""
    from multimail_server.services.connecting import ConnectionRequest
    from multimail_server.sources.account import AccountError
    from multimail_server.sources.tokens import TokenSource

    login = user or address
    try:
        options = _build_options(address, imap, smtp, tls, folder, since, handover, marks)
        secret = _get_secret(
            options, login, password_env, token_command,
            _OAuth(oauth, client_id, client_secret_env, refresh_token_env, on_device=device),
        )  # fmt: skip
        tokens = TokenSource(login, secret)
        there = _check_login(options, login, tokens)
        wanted = ConnectionRequest(address.lower(), login, options, tokens.secret, there, mode)
        try:
            with open_data(data, database) as services:
                connected = services.connections.connect(wanted)
            keys, box = connected.keys, connected.mailbox
            box_id, actual = box.id, box.oversight_mode.value
        except CommandError as error:
            answer = _ask_server(context, data, error, "POST", "", _describe_request(wanted, data))
            keys, box_id = answer["keys"], answer["mailbox"]["id"]
            actual = answer["mailbox"]["oversight_mode"]
    except AccountError as error:
        raise CommandError(str(error), code="not_connected") from None
    _answer(context, wanted, box_id, actual, keys)


@command(app, remote=False)
def disconnect(
    context: CommandContext,
    address: Annotated[str, typer.Argument(help="The address that was connected.")],
    erase: Annotated[bool, typer.Option("--erase", help="Erase the copies, too.")] = False,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Disconnect a mailbox; at its provider nothing changes."""
    from multimail_server.errors import ApiError

    try:
        with open_data(data, database) as services:
            cancelled = services.connections.disconnect(address, erase=erase)
    except CommandError as error:
        path = f"/{address}?erase={str(erase).lower()}"
        cancelled = _ask_server(context, data, error, "DELETE", path, None)["cancelled"]
    except ApiError:
        raise CommandError(
            f"{address} is not connected here.", "Check the address and --data.", "not_connected"
        ) from None
    copies = "erased" if erase else "kept"
    result = {"address": address, "cancelled": cancelled, "copies": copies}
    words = f"{address} is disconnected; cancelled messages: {cancelled}; copies are {copies}."
    context.answer(result, lambda: show_text(words))


@dataclass(frozen=True, slots=True)
class _OAuth:
    """The options of a sign-in by OAuth."""

    issuer: str | None
    client_id: str | None
    secret_env: str | None
    token_env: str | None
    on_device: bool


def _build_options(
    address: str, imap: str | None, smtp: str | None, tls: str, folder: str, since: str,
    handover: str, marks: bool,
) -> AccountOptions:  # fmt: skip
    from dataclasses import replace

    from multimail_server.mail.addresses import find_address_fault
    from multimail_server.sources.account import AccountError, parse_host, require_tls_name
    from multimail_server.sources.providers import complete_hosts

    fault = find_address_fault(address)
    if fault:
        raise AccountError(f"The address {address!r} {fault}.")
    if handover not in ("send", "draft"):
        raise AccountError(f"--handover is send or draft, not {handover!r}.")
    days = _DAYS.fullmatch(since.strip())
    if days is None:
        raise AccountError(f"--since is a number of days such as 14d, not {since!r}.")
    kind = require_tls_name(tls)
    hosts: list[Host | None] = [
        parse_host(text, port, kind) if text else None
        for text, port in ((imap, 993 if tls == "required" else 143),
                           (smtp, 465 if tls == "required" else 587))
    ]  # fmt: skip
    options = complete_hosts(address, *hosts)
    return replace(
        options, folder=folder, since_days=int(days[1]), marks=marks,
        handover="draft" if handover == "draft" else "send",
    )  # fmt: skip


def _get_secret(
    options: AccountOptions, login: str, password_env: str | None, token_command: str | None,
    oauth: _OAuth,
) -> Secret:  # fmt: skip
    from multimail_server.sources.account import AccountError, Secret

    given = [item for item in (password_env, token_command, oauth.issuer) if item]
    if len(given) > 1:
        raise AccountError("Give one of --password-env, --token-command and --oauth.")
    if token_command:
        return Secret("command", token_command)
    if oauth.issuer:
        return _sign_in(oauth, login)
    if password_env:
        return Secret("password", _read_variable(password_env))
    return Secret("password", _ask_password(options, login))


def _sign_in(oauth: _OAuth, login: str) -> Secret:
    """Return a refresh token: that of the variable, or of a sign-in at the provider."""
    from dataclasses import replace

    from multimail_server.sources.account import AccountError, Secret
    from multimail_server.sources.oauth import (
        require_issuer,
        sign_in_on_device,
        sign_in_on_loopback,
    )

    if not oauth.client_id:
        raise AccountError("--oauth needs the ID of your own OAuth client: --client-id.")
    client_secret = _read_variable(oauth.secret_env) if oauth.secret_env else ""
    issuer = require_issuer(oauth.issuer or "")
    client = Secret("oauth", "", oauth.client_id, client_secret, issuer)
    if oauth.token_env:
        return replace(client, value=_read_variable(oauth.token_env))
    if oauth.on_device:
        return replace(client, value=sign_in_on_device(client, _show_sign_in))
    return replace(client, value=sign_in_on_loopback(client, login, _open_browser))


def _show_sign_in(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _open_browser(url: str) -> None:
    import webbrowser

    _show_sign_in(f"Sign in at the provider in a browser of this machine:\n{url}")
    if is_terminal(sys.stderr):
        webbrowser.open(url)


def _read_variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise CommandError(
            f"The environment variable {name} is not set.", "Set it, then try again.", "no_secret"
        )
    return value


def _ask_password(options: AccountOptions, login: str) -> str:
    from multimail_server.sources.providers import get_provider

    if not is_terminal(sys.stdin):
        raise CommandError(
            f"No password for {login} was given.",
            "Name its environment variable: --password-env VAR, or use --token-command.",
            "no_secret",
        )
    provider = get_provider(options.provider)
    if provider is not None and not provider.wants:
        raise CommandError(
            f"{provider.name} takes no passwords any more.",
            "Use --oauth or --token-command.", "no_secret",
        )  # fmt: skip
    wanted = provider.wants if provider else "its password, or an app password"
    page = f" ({provider.page})" if provider and provider.page else ""
    print(f"{options.imap.name} wants {wanted}{page}.", file=sys.stderr)
    return getpass.getpass(f"Password for {login}: ")


def _check_login(options: AccountOptions, login: str, tokens: TokenSource) -> FolderState:
    """Sign in at both servers, and return what the folder holds; nothing is read or sent."""
    from multimail_server.sources.account import AccountError
    from multimail_server.sources.imap import ImapConnectionError, ImapSession
    from multimail_server.sources.submission import check_submission

    credentials = tokens.get()
    with ImapSession(options, credentials) as session:
        try:
            folder = session.select(options.folder, read_only=True)
        except ImapConnectionError:
            raise AccountError(
                f"{login} has no folder {options.folder!r} at {options.imap}. Name one of its "
                "folders with --folder."
            ) from None
    check_submission(options, credentials)
    return folder


def _describe_request(wanted: ConnectionRequest, data: Path | None) -> dict[str, Any]:
    from multimail_server.sources.account import SecretBox

    return {
        "address": wanted.address,
        "login": wanted.login,
        "options": wanted.options.as_data(),
        "secret": SecretBox(data).seal(wanted.secret).decode(),
        "uid_validity": wanted.folder.uid_validity,
        "uid_next": wanted.folder.uid_next,
        "mode": wanted.mode.value,
    }


def _ask_server(
    context: CommandContext, data: Path | None, error: CommandError, method: str, path: str,
    body: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """Ask the server that has the data file open, with an admin key."""
    import httpx

    if error.code != "data_in_use" or data is None or not data.exists():
        raise error
    url = os.environ.get("MULTIMAIL_API_URL") or _LOCAL_URL
    if not context.key:
        raise CommandError(
            f"A server has {data} open.",
            f"Set MULTIMAIL_API_KEY to its admin key, and MULTIMAIL_API_URL if it isn't at {url}; "
            "or stop it.",
            "data_in_use",
        )
    try:
        reply = httpx.request(
            method, f"{url}/v1/connected-mailboxes{path}", json=body, timeout=_SERVER_TIMEOUT,
            headers={"Authorization": f"Bearer {context.key}"},
        )  # fmt: skip
        answer: dict[str, Any] = reply.json()
    except (httpx.HTTPError, ValueError):
        raise CommandError(f"The server at {url} did not answer.", code="no_server") from None
    if reply.status_code == httpx.codes.ACCEPTED:
        raise CommandError("The server asks for an approval code.", "Stop it first.", "no_code")
    if not reply.is_success:
        raise CommandError(str(answer.get("error", "")), code=str(answer.get("code", "refused")))
    return answer


def _answer(
    context: CommandContext, wanted: ConnectionRequest, box_id: str, mode: str,
    keys: Mapping[str, str] | None,
) -> None:  # fmt: skip
    options = wanted.options
    result: dict[str, Any] = {
        "mailbox": {"id": box_id, "address": wanted.address, "source": "imap"},
        "oversight_mode": mode,
        "imap": str(options.imap),
        "smtp": str(options.smtp),
    }
    if keys is not None:
        result["keys"] = dict(keys)
    places = f"mail is read at {options.imap} and sent by {options.smtp}"
    lines = [
        f"{wanted.address} is connected: {places}.",
        f"An agent can {_ABILITIES[mode]}. Nothing of yours is ever deleted.",
    ]
    if options.handover == "draft":
        lines.append("A held reply waits in the account's Drafts: send it there, or delete it.")
    if keys is not None:
        lines += [
            "The keys of this data are test keys, whose mail is only simulated. These are live:",
            *(f"  {role:<9}{key}" for role, key in keys.items()),
        ]
    lines.append("Start the server with `multimail serve`, on the same data, unless it runs.")
    context.answer(result, lambda: show_text("\n".join(lines)))
