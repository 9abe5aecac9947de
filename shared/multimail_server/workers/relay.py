"""The relay: hands a message to the operator's SMTP server and reads what became of it."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from ..mail.addresses import is_address

StartTls: TypeAlias = Literal["require", "try", "never"]

_TIMEOUT = 30.0
_DATA_TIMEOUT = 300.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What the relay said about one recipient.

    Attributes:
        accepted: Whether it took the message for this recipient.
        code: Its SMTP reply code.
        detail: Its words, on one line, at most 500 characters.
        permanent: Whether another try is pointless.
    """

    accepted: bool
    code: int
    detail: str
    permanent: bool


class RelayUnavailable(Exception):  # noqa: N818
    """The relay took nothing: no connection, no greeting, no TLS or no sign-in. Try again."""


class RelayOutcomeUnknown(Exception):  # noqa: N818
    """The relay's answer to the message was lost: it may have taken it, or not."""


class Relay(Protocol):
    """Where live mail goes."""

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Hand over one message and return the result for each recipient.

        Args:
            mail_from: The return path; empty for none.
            recipients: The envelope's recipients.
            raw: The message, in RFC 5322 form.

        Raises:
            RelayUnavailable: Nothing was accepted, and nobody is to blame but the connection.
            RelayOutcomeUnknown: The message left, and the answer did not come.
        """
        ...


def relay_from_url(url: str) -> Relay:
    """Return the relay that a URL names.

    Args:
        url: `smtp://[user:password@]host[:port][?starttls=require|try|never]`, or `smtps://…`
            for TLS from the first byte. The port is 25, 587 with a user, or 465 for smtps.
            Without `starttls`, TLS is required where a password would travel to another
            machine, and tried elsewhere.

    Raises:
        ValueError: The URL is not one of these. The message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        host, port, options = parts.hostname, parts.port, dict(parse_qsl(parts.query))
    except ValueError:
        raise ValueError("relay URL: the host or the port is malformed") from None
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"}:
        raise ValueError("relay URL: is not like smtp://user:password@host:587")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    implicit = parts.scheme == "smtps"
    return SmtpRelay(
        host=host,
        port=port or (465 if implicit else 587 if user else 25),
        user=user,
        password=password,
        implicit_tls=implicit,
        starttls=_starttls(options, needed=bool(user) and host not in _LOOPBACK),
    )


def _starttls(options: dict[str, str], *, needed: bool) -> StartTls:
    if set(options) - {"starttls"}:
        raise ValueError("relay URL: the only option is starttls")
    asked = options.get("starttls", "require" if needed else "try")
    choices: tuple[StartTls, ...] = ("require", "try", "never")
    for choice in choices:
        if asked == choice:
            return choice
    raise ValueError("relay URL: starttls is one of require, try, never")


class _Refused(Exception):  # noqa: N818
    """The relay refused a step that concerns every recipient."""

    def __init__(self, code: int, words: bytes) -> None:
        super().__init__(code)
        self.result = _result(code, words)


@dataclass(frozen=True, slots=True)
class SmtpRelay:
    """A relay reached by SMTP, one connection for each message.

    Attributes:
        host: Its name or address.
        port: Its port.
        user: Whom to sign in as; empty for nobody.
        password: Never shown.
        implicit_tls: Whether TLS starts with the connection (RFC 8314).
        starttls: Whether STARTTLS is required, tried, or left alone (RFC 3207). Where it is
            only tried and no password is at stake, any certificate will do (RFC 7435).
        timeout: Seconds to wait for one answer.
        tls: Whom to trust; the system's authorities by default.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    implicit_tls: bool = False
    starttls: StartTls = "try"
    timeout: float = _TIMEOUT
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Hand over one message; see `Relay`."""
        results = {one: _unusable(one) for one in recipients if not is_address(one)}
        rest = [one for one in dict.fromkeys(recipients) if one not in results]
        if mail_from and not is_address(mail_from):
            return results | dict.fromkeys(rest, _local(553, "the return path is no address"))
        if rest:
            results.update(self._converse(mail_from, rest, raw))
        return results

    def _converse(
        self, mail_from: str, recipients: list[str], raw: bytes
    ) -> dict[str, RecipientResult]:
        connection = self._connect()
        try:
            self._prepare(connection)
            return _transmit(connection, mail_from, recipients, raw)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._unavailable(error) from None
        finally:
            # Whatever quitting says, the results stand.
            connection.timeout = 5.0
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        name = socket.gethostname()
        try:
            if self.implicit_tls:
                return smtplib.SMTP_SSL(
                    self.host, self.port, name, timeout=self.timeout, context=self.tls
                )
            return smtplib.SMTP(self.host, self.port, name, timeout=self.timeout)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._unavailable(error) from None

    def _prepare(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        secure = self.implicit_tls
        if not secure and self.starttls != "never":
            secure = self._start_tls(connection)
        if self.user:
            self._sign_in(connection, secure=secure)

    def _start_tls(self, connection: smtplib.SMTP) -> bool:
        if connection.has_extn("starttls"):
            anyone = self.starttls == "try" and not self.user
            code, _ = connection.starttls(context=_opportunistic() if anyone else self.tls)
            if code == 220:
                connection.ehlo_or_helo_if_needed()
                return True
        if self.starttls == "require":
            raise RelayUnavailable(f"relay {self.host}:{self.port} offers no STARTTLS")
        return False

    def _sign_in(self, connection: smtplib.SMTP, *, secure: bool) -> None:
        if not secure and self.starttls != "never" and self.host not in _LOOPBACK:
            raise RelayUnavailable(
                f"relay {self.host}:{self.port} offers no TLS, so the password was not sent; "
                "starttls=never would send it in the clear"
            )
        try:
            connection.login(self.user, self.password)
        except smtplib.SMTPAuthenticationError as error:
            raise RelayUnavailable(
                f"relay {self.host}:{self.port} refused the user or the password "
                f"({error.smtp_code})"
            ) from None

    def _unavailable(self, error: Exception) -> RelayUnavailable:
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
        why = f"answered {code}" if code else f"could not be used: {type(error).__name__}"
        return RelayUnavailable(f"relay {self.host}:{self.port} {why}; nothing was sent")


def _opportunistic() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _transmit(
    connection: smtplib.SMTP, mail_from: str, recipients: list[str], raw: bytes
) -> dict[str, RecipientResult]:
    try:
        _expect(connection.mail(mail_from, _mail_options(connection, raw)), 250)
    except _Refused as refused:
        return dict.fromkeys(recipients, refused.result)
    results = {one: _result(*connection.rcpt(one)) for one in recipients}
    accepted = [one for one, result in results.items() if result.accepted]
    if accepted:
        try:
            final = _data(connection, raw)
        except _Refused as refused:
            final = refused.result
        results.update(dict.fromkeys(accepted, final))
    return results


def _mail_options(connection: smtplib.SMTP, raw: bytes) -> list[str]:
    eight_bit = not raw.isascii() and connection.has_extn("8bitmime")
    return ["BODY=8BITMIME"] if eight_bit else []


def _data(connection: smtplib.SMTP, raw: bytes) -> RecipientResult:
    """Send the message; from its last byte on, silence proves nothing."""
    _expect(connection.docmd("DATA"), 354)
    text = re.sub(rb"(?m)^\.", b"..", re.sub(rb"\r\n|\r|\n", b"\r\n", raw))
    end = b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n"
    if connection.sock is not None:
        connection.sock.settimeout(_DATA_TIMEOUT)
    try:
        connection.send(text + end)
        code, words = connection.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise RelayOutcomeUnknown(
            f"the relay's answer to the message was lost ({type(error).__name__}); "
            "it may have been sent"
        ) from None
    return _result(code, words)


def _expect(reply: tuple[int, bytes], code: int) -> None:
    if reply[0] != code:
        raise _Refused(*reply)


def _result(code: int, words: bytes) -> RecipientResult:
    accepted = code in {250, 251, 252}
    detail = " ".join(_CONTROL.sub(" ", words.decode("utf-8", "replace")).split())[:500]
    # A code that is none of SMTP's proves nothing, so another try is worth it.
    return RecipientResult(accepted, code, detail, permanent=not accepted and 500 <= code < 600)


def _local(code: int, detail: str) -> RecipientResult:
    return RecipientResult(accepted=False, code=code, detail=detail, permanent=True)


def _unusable(address: str) -> RecipientResult:
    del address
    return _local(553, "not an address that this server can send to")
