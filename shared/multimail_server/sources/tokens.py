"""What signs in at a provider: a password, or an access token that is fetched when it is needed."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from dataclasses import dataclass, field

from .account import AccountError, LoginRefusedError, Secret

_COMMAND_TIMEOUT = 60.0
_HTTP_TIMEOUT = 30.0
_MARGIN = 60.0
TOKEN_ENDPOINTS = {
    "google": "https://oauth2.googleapis.com/token",
    "microsoft": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
}
_LOGIN_ADVICE = "the user or the password is wrong, or the provider wants an app password"
_GRANT_ADVICE = "the token is not valid for it; connect the account again"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login, good now.

    Attributes:
        user: The login name.
        password: Empty where there is a token.
        token: The access token (RFC 6750); None where there is a password.
        advice: What a refusal means.
    """

    user: str
    password: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)
    advice: str = _LOGIN_ADVICE


class TokenSource:
    """Gives credentials, and keeps an access token until it expires; thread-safe."""

    def __init__(self, user: str, secret: Secret) -> None:
        self._user = user
        self._secret = secret
        self._lock = threading.Lock()
        self._token = ""
        self._expires_at = 0.0

    def get(self) -> Credentials:
        """Return credentials.

        Raises:
            LoginRefusedError: The command failed, or the refresh token is not valid any more.
            AccountError: The token endpoint was not reached.
        """
        if self._secret.kind == "password":
            return Credentials(self._user, self._secret.value)
        with self._lock:
            if time.monotonic() >= self._expires_at:
                self._token, seconds = self._fetch()
                self._expires_at = time.monotonic() + max(seconds - _MARGIN, 0.0)
            return Credentials(self._user, token=self._token, advice=_GRANT_ADVICE)

    def forget(self) -> None:
        """Fetch a new token the next time: the provider refused this one."""
        with self._lock:
            self._expires_at = 0.0

    def _fetch(self) -> tuple[str, float]:
        if self._secret.kind == "command":
            return run_token_command(self._secret.value), 0.0
        return refresh_token(self._secret)


def run_token_command(command: str) -> str:
    """Return the access token that a command prints.

    Raises:
        LoginRefusedError: It failed, or printed nothing. The error never repeats its output.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            shlex.split(command), capture_output=True, timeout=_COMMAND_TIMEOUT, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise LoginRefusedError(
            f"The token command could not be run ({type(error).__name__})."
        ) from None
    token = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0 or not token or any(char.isspace() for char in token):
        raise LoginRefusedError(
            f"The token command printed no token (exit status {done.returncode}). Run it by hand, "
            "or connect the account again."
        )
    return token


def refresh_token(secret: Secret) -> tuple[str, float]:
    """Return an access token for a refresh token, and the seconds that it lives (RFC 6749, 6).

    Raises:
        LoginRefusedError: The refresh token was revoked or has expired.
        AccountError: The endpoint was not reached.
    """
    import httpx  # With the first token: a server without one does not need it.

    url = TOKEN_ENDPOINTS.get(secret.issuer, secret.issuer)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": secret.value,
        "client_id": secret.client_id,
    }
    if secret.client_secret:
        form["client_secret"] = secret.client_secret
    try:
        reply = httpx.post(url, data=form, timeout=_HTTP_TIMEOUT)
        answer = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise AccountError(
            f"The token endpoint {url} did not answer ({type(error).__name__})."
        ) from None
    if reply.is_success and isinstance(answer, dict) and answer.get("access_token"):
        return str(answer["access_token"]), float(answer.get("expires_in") or 300)
    code = str(answer.get("error", reply.status_code)) if isinstance(answer, dict) else "unknown"
    if reply.status_code in (400, 401, 403):
        raise LoginRefusedError(
            f"The provider gave no access token ({code[:60]}): the permission was withdrawn or has "
            "expired (Google ends that of a client in testing after 7 days). Connect the account "
            "again."
        )
    raise AccountError(f"The token endpoint {url} failed ({code[:60]}).")
