"""The relay: sends messages to the operator's SMTP server and reads the result."""

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

from ..config import LOOPBACK_HOSTS
from ..mail.addresses import format_address, is_address

StartTls: TypeAlias = Literal["require", "try", "never"]

_TIMEOUT = 30.0
_DATA_TIMEOUT = 300.0
_NO_SMTPUTF8 = (
    "not sent: the relay does not offer SMTPUTF8, which addresses with characters outside ASCII "
    "before the @ need; use another address, or a relay with SMTPUTF8"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """A relay's result for one recipient.

    Attributes:
        accepted: Whether the relay accepted the message for this recipient.
        code: The SMTP reply code.
        detail: The reply's text, on one line, at most 500 characters.
        permanent: Whether the failure is permanent, so a retry is pointless.
    """

    accepted: bool
    code: int
    detail: str
    permanent: bool

    @property
    def is_final(self) -> bool:
        """Whether the recipient needs no retry."""
        return self.accepted or self.permanent


class RelayUnavailable(Exception):  # noqa: N818
    """The relay accepted nothing: no connection, greeting, TLS or sign-in. Retry later."""


class RelayOutcomeUnknown(Exception):  # noqa: N818
    """The relay's reply to the message was lost: it may or may not have accepted it.

    Attributes:
        refused: The recipients that it had refused before.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refused: Mapping[str, RecipientResult] = {}


class Relay(Protocol):
    """Accepts messages for delivery."""

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Send one message and return the result for each recipient.

        Args:
            mail_from: The return path; empty for none.
            recipients: The envelope's recipients.
            raw: The message, in RFC 5322 form.

        Raises:
            RelayUnavailable: The relay could not be used; it accepted nothing.
            RelayOutcomeUnknown: The message was transmitted and the reply was lost.
        """
        ...


def parse_relay_url(url: str) -> Relay:
    """Return the relay of a URL.

    Args:
        url: `smtp://[user:password@]host[:port][?starttls=require|try|never]`, or `smtps://…`
            for TLS from the first byte. The port is 25, 587 with a user, or 465 for smtps.
            Without `starttls`, TLS is required if a password would leave this machine, and
            tried otherwise.

    Raises:
        ValueError: The URL has another form. The error doesn't repeat it.
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
        starttls=_parse_starttls(options, needed=bool(user) and host not in LOOPBACK_HOSTS),
    )


def _parse_starttls(options: dict[str, str], *, needed: bool) -> StartTls:
    if set(options) - {"starttls"}:
        raise ValueError("relay URL: the only option is starttls")
    value = options.get("starttls", "require" if needed else "try")
    choices: tuple[StartTls, ...] = ("require", "try", "never")
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError("relay URL: starttls is one of require, try, never")


class _Refused(Exception):  # noqa: N818
    """The relay refused a command that concerns every recipient."""

    def __init__(self, code: int, text: bytes) -> None:
        super().__init__(code)
        self.result = _parse_reply(code, text)


@dataclass(frozen=True, slots=True)
class SmtpRelay:
    """An SMTP relay, with one connection per message.

    Attributes:
        host: The host name or address.
        port: The port.
        user: The user to sign in as; empty for none.
        password: Never shown.
        implicit_tls: Whether TLS starts with the connection (RFC 8314).
        starttls: Whether STARTTLS is required, tried or not used (RFC 3207). If it is only
            tried and there is no password, any certificate is accepted (RFC 7435).
        timeout: Seconds to wait for a reply.
        tls: The trusted authorities; the system's by default.
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
        """Send one message; see `Relay`."""
        results = {
            address: _local(553, "not an address that this server can send to")
            for address in recipients
            if not is_address(address)
        }
        rest = [address for address in dict.fromkeys(recipients) if address not in results]
        if mail_from and not is_address(mail_from):
            return results | dict.fromkeys(rest, _local(553, "the return path is not an address"))
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
            # A failing QUIT doesn't change the results.
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
            any_certificate = self.starttls == "try" and not self.user
            context = _build_opportunistic_context() if any_certificate else self.tls
            code, _ = connection.starttls(context=context)
            if code == 220:
                connection.ehlo_or_helo_if_needed()
                return True
        if self.starttls == "require":
            raise RelayUnavailable(f"relay {self.host}:{self.port} offers no STARTTLS")
        return False

    def _sign_in(self, connection: smtplib.SMTP, *, secure: bool) -> None:
        if not secure and self.starttls != "never" and self.host not in LOOPBACK_HOSTS:
            raise RelayUnavailable(
                f"relay {self.host}:{self.port} offers no TLS, so the password was not sent; "
                "starttls=never would send it in the clear"
            )
        try:
            self._log_in(connection)
        except smtplib.SMTPAuthenticationError as error:
            raise RelayUnavailable(
                f"relay {self.host}:{self.port} refused the user or the password "
                f"({error.smtp_code})"
            ) from None

    def _log_in(self, connection: smtplib.SMTP) -> None:
        connection.login(self.user, self.password)

    def check_login(self) -> None:
        """Sign in and send nothing.

        Raises:
            RelayUnavailable: There was no connection, TLS or sign-in.
        """
        connection = self._connect()
        try:
            self._prepare(connection)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._unavailable(error) from None
        finally:
            connection.close()

    def _unavailable(self, error: Exception) -> RelayUnavailable:
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
        reason = f"replied {code}" if code else f"could not be used: {type(error).__name__}"
        return RelayUnavailable(f"relay {self.host}:{self.port} {reason}; nothing was sent")


def _build_opportunistic_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _transmit(
    connection: smtplib.SMTP, mail_from: str, recipients: list[str], raw: bytes
) -> dict[str, RecipientResult]:
    options = _mail_options(connection, raw)
    results = {}
    if not connection.has_extn("smtputf8"):
        international = [address for address in recipients if needs_smtputf8(address, raw)]
        results = dict.fromkeys(international, _local(553, _NO_SMTPUTF8))
        recipients = [address for address in recipients if address not in results]
    elif any(needs_smtputf8(address, raw) for address in recipients):
        options.append("SMTPUTF8")
    if not recipients:
        return results
    try:
        _expect(connection.mail(mail_from, options), 250)
    except _Refused as refused:
        return results | dict.fromkeys(recipients, refused.result)
    for address in recipients:
        results[address] = _parse_reply(*connection.rcpt(format_address(address)))
    accepted = [address for address, result in results.items() if result.accepted]
    if accepted:
        try:
            final = _data(connection, raw)
        except _Refused as refused:
            final = refused.result
        except RelayOutcomeUnknown as error:
            error.refused = {
                address: result for address, result in results.items() if not result.accepted
            }
            raise
        results.update(dict.fromkeys(accepted, final))
    return results


def needs_smtputf8(address: str, raw: bytes) -> bool:
    """Return whether a message can reach `address` by SMTPUTF8 only (RFC 6531 section 3.4)."""
    return not (address.isascii() and raw.partition(b"\r\n\r\n")[0].isascii())


def _mail_options(connection: smtplib.SMTP, raw: bytes) -> list[str]:
    eight_bit = not raw.isascii() and connection.has_extn("8bitmime")
    return ["BODY=8BITMIME"] if eight_bit else []


def _data(connection: smtplib.SMTP, raw: bytes) -> RecipientResult:
    """Transmit the message; once its last byte is sent, a missing reply proves nothing."""
    _expect(connection.docmd("DATA"), 354)
    data = re.sub(rb"(?m)^\.", b"..", re.sub(rb"\r\n|\r|\n", b"\r\n", raw))
    end = b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n"
    if connection.sock is not None:
        connection.sock.settimeout(_DATA_TIMEOUT)
    try:
        connection.send(data + end)
        code, text = connection.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise RelayOutcomeUnknown(
            f"the relay's reply to the message was lost ({type(error).__name__}); "
            "it may have been sent"
        ) from None
    return _parse_reply(code, text)


def _expect(reply: tuple[int, bytes], code: int) -> None:
    if reply[0] != code:
        raise _Refused(*reply)


def _parse_reply(code: int, text: bytes) -> RecipientResult:
    accepted = code in {250, 251, 252}
    detail = " ".join(_CONTROL.sub(" ", text.decode("utf-8", "replace")).split())[:500]
    # An invalid reply code proves nothing, so a retry is worthwhile.
    return RecipientResult(accepted, code, detail, permanent=not accepted and 500 <= code < 600)


def _local(code: int, detail: str) -> RecipientResult:
    return RecipientResult(accepted=False, code=code, detail=detail, permanent=True)
