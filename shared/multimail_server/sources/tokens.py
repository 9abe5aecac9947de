"""What signs in at a provider: a password, or an access token that is fetched when it is needed."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .account import LoginRefusedError, Secret
from .oauth import refresh

_COMMAND_TIMEOUT = 60.0
_MARGIN = 60.0
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
    """Gives credentials, and keeps an access token until it expires; thread-safe.

    Args:
        user: The login name.
        secret: What signs in.
        on_change: Called with the new secret where the provider replaced the refresh token.
    """

    def __init__(
        self, user: str, secret: Secret, on_change: Callable[[Secret], None] = lambda _: None
    ) -> None:
        self._user = user
        self._secret = secret
        self._on_change = on_change
        self._lock = threading.Lock()
        self._token = ""
        self._expires_at = 0.0

    @property
    def secret(self) -> Secret:
        """What signs in now."""
        return self._secret

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

    def forget(self) -> bool:
        """Fetch a new token the next time; return whether the one that was refused was kept."""
        with self._lock:
            was_kept, self._expires_at = self._expires_at > 0.0, 0.0
            return was_kept

    def _fetch(self) -> tuple[str, float]:
        if self._secret.kind == "command":
            return run_token_command(self._secret.value), 0.0
        token, renewed, seconds = refresh(self._secret)
        if renewed != self._secret.value:
            self._secret = replace(self._secret, value=renewed)
            self._on_change(self._secret)
        return token, seconds


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
