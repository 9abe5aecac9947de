"""The relay of a connected account: its provider's submission server (RFC 6409)."""

from __future__ import annotations

import base64
import smtplib

from ..workers.relay import RelayUnavailable, SmtpRelay
from .account import AccountError, AccountOptions, LoginRefusedError
from .tokens import Credentials


def build_relay(options: AccountOptions, credentials: Credentials) -> SmtpRelay:
    """Return the SMTP client of an account."""
    host = options.smtp
    kind = SmtpRelay if credentials.token is None else _TokenRelay
    return kind(
        host=host.name,
        port=host.port,
        user=credentials.user,
        password=credentials.token or credentials.password,
        implicit_tls=host.has_implicit_tls,
        starttls="require" if host.has_starttls else "never",
    )


def check_submission(options: AccountOptions, credentials: Credentials) -> None:
    """Sign in at the submission server, and send nothing.

    Raises:
        LoginRefusedError: It refused the login.
        AccountError: It was not reached.
    """
    try:
        build_relay(options, credentials).check_login()
    except RelayUnavailable as error:
        if "refused the user" in str(error):
            raise LoginRefusedError(
                f"{options.smtp} refused the login of {credentials.user}: {credentials.advice}"
            ) from None
        raise AccountError(f"The submission server cannot be used: {error}.") from None


class _TokenRelay(SmtpRelay):
    """Signs in with an access token (XOAUTH2)."""

    __slots__ = ()

    def _log_in(self, connection: smtplib.SMTP) -> None:
        answer = f"user={self.user}\x01auth=Bearer {self.password}\x01\x01"
        code, text = connection.docmd(
            "AUTH", f"XOAUTH2 {base64.b64encode(answer.encode()).decode()}"
        )
        if code == 334:  # An error in JSON, which an empty line ends.
            code, text = connection.docmd("")
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, text)
