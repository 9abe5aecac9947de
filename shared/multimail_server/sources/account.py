"""A connected account: its hosts, its login, and its secret, which is only stored encrypted."""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from ..config import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Tls: TypeAlias = Literal["required", "starttls", "none"]
Handover: TypeAlias = Literal["send", "draft"]

KEY_VARIABLE = "MULTIMAIL_SECRET_KEY"
KEY_FILE_VARIABLE = "MULTIMAIL_SECRET_KEY_FILE"
_PRIVATE = 0o600
_TLS_FROM_START = frozenset({465, 993})


class AccountError(Exception):
    """A connected account cannot be used; the message is a sentence for its person."""


class LoginRefusedError(AccountError):
    """The provider refused the login: trying again soon could lock the account."""


@dataclass(frozen=True, slots=True)
class Host:
    """A server of the provider.

    Attributes:
        name: Its host name.
        port: Its port.
        tls: `required` for TLS, from the first byte on port 465 or 993 and by STARTTLS on 25, 143
            and 587; `starttls` for STARTTLS on any port; `none` only on this machine.
    """

    name: str
    port: int
    tls: Tls = "required"

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def has_implicit_tls(self) -> bool:
        """Whether TLS starts with the connection (RFC 8314)."""
        return self.tls == "required" and self.port not in (25, 143, 587)

    @property
    def has_starttls(self) -> bool:
        """Whether STARTTLS is required."""
        return self.tls == "starttls" or (self.tls == "required" and not self.has_implicit_tls)


def parse_host(text: str, default_port: int, tls: Tls) -> Host:
    """Return the host of `HOST` or `HOST:PORT`.

    Raises:
        AccountError: It has another form, or would send the password in clear over a network.
    """
    name, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    number = int(port) if port.isdecimal() else default_port
    if not name or (port and not port.isdecimal()) or not 0 < number < 65536:
        raise AccountError(f"{text!r} is not a host such as mail.example.com:993.")
    if tls == "none" and name not in LOOPBACK_HOSTS:
        raise AccountError(
            f"{name} would get the password in clear. TLS can be left out on this machine only; "
            "use --tls required or --tls starttls."
        )
    return Host(name, number, tls)


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """What `multimail connect` was given, without the secret.

    Attributes:
        imap: Where mail is read.
        smtp: Where mail is submitted.
        provider: The name in `sources.providers`; empty for one that is not there.
        folder: The folder that new mail comes to.
        since_days: How many days of mail from before the connection appear.
        handover: Whether held replies are sent by this server, or put into Drafts.
        auth: Which kind of secret it is: `password`, `command` or `oauth`.
        marks: Whether `\\\\Seen` and `\\\\Answered` are set at the provider.
    """

    imap: Host
    smtp: Host
    provider: str = ""
    folder: str = "INBOX"
    since_days: int = 14
    handover: Handover = "send"
    auth: str = "password"
    marks: bool = True

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-serializable data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> AccountOptions:
        """Return what `as_data` returned."""
        hosts = {name: Host(**data[name]) for name in ("imap", "smtp")}
        return cls(**{**data, **hosts})


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs in: a password, a command that prints a token, or a refresh token.

    Attributes:
        kind: As `AccountOptions.auth`.
        value: The password, the command or the refresh token.
        client_id: Of the OAuth client.
        client_secret: Of the OAuth client; empty where it has none.
        issuer: `google`, `microsoft`, or the token endpoint's URL.
    """

    kind: str
    value: str = field(repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    issuer: str = ""


class SecretBox:
    """Encrypts secrets with a key that never lies in the data.

    The key is that of `MULTIMAIL_SECRET_KEY`, or of the file that `MULTIMAIL_SECRET_KEY_FILE`
    names, or of the file beside the data, which is made for its owner alone.

    Args:
        data: The SQLite file; None where the data is in a database or in memory.
        in_memory: Whether the data ends with the process, and so may the key.
    """

    def __init__(self, data: Path | None, *, in_memory: bool = False) -> None:
        self._data = data
        self._in_memory = in_memory
        self._fernet: Fernet | None = None

    def seal(self, secret: Secret) -> bytes:
        """Return the secret, encrypted and authenticated."""
        return self._get_fernet().encrypt(json.dumps(asdict(secret)).encode())

    def open(self, sealed: bytes) -> Secret:
        """Return what `seal` encrypted.

        Raises:
            AccountError: The key is missing, or another one encrypted it.
        """
        from cryptography.fernet import InvalidToken

        try:
            return Secret(**json.loads(self._get_fernet().decrypt(sealed)))
        except InvalidToken:
            raise AccountError(
                "The key that encrypted this account's password is another one. Name it with "
                f"{KEY_VARIABLE} or {KEY_FILE_VARIABLE}, or connect the account again."
            ) from None

    def _get_fernet(self) -> Fernet:
        from cryptography.fernet import Fernet  # With the first account.

        if self._fernet is None:
            try:
                self._fernet = Fernet(self._load_key())
            except ValueError:
                raise AccountError(
                    f"{KEY_VARIABLE} is not a key: 32 bytes in URL-safe base64."
                ) from None
        return self._fernet

    def _load_key(self) -> bytes:
        named = os.environ.get(KEY_VARIABLE, "").strip()
        if named:
            return named.encode()
        file = os.environ.get(KEY_FILE_VARIABLE, "").strip()
        if file:
            return _read_or_make_key(Path(file))
        if self._in_memory:
            return _generate_key()
        if self._data is None:
            raise AccountError(
                "Passwords of connected accounts are encrypted, and a database has no place beside "
                f"it for the key. Set {KEY_FILE_VARIABLE} to a file, or {KEY_VARIABLE}."
            )
        return _read_or_make_key(self._data.with_name(f"{self._data.name}.key"))


def _generate_key() -> bytes:
    from cryptography.fernet import Fernet

    return Fernet.generate_key()


def _read_or_make_key(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE)
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "wb") as file:
        key = _generate_key()
        file.write(key + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def get_tls_context() -> ssl.SSLContext:
    """Return the context of a connection to a provider: the system's authorities, names checked."""
    return ssl.create_default_context()


def require_tls_name(value: str) -> Tls:
    """Return a value of `--tls`.

    Raises:
        AccountError: It is none.
    """
    if value not in ("required", "starttls", "none"):
        raise AccountError(f"--tls is required, starttls or none, not {value!r}.")
    return cast("Tls", value)
