"""OAuth: sign in once with the user's own client, then tokens without the person.

The person signs in in a browser on this machine (RFC 8252, with PKCE, RFC 7636) or on any other
device (RFC 8628). Both give a refresh token, which is what `multimail connect` keeps.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ..config import LOOPBACK_HOSTS
from .account import AccountError, LoginRefusedError, Secret

_HTTP_TIMEOUT = 30.0
SIGN_IN_SECONDS = 600.0
"""How long a person has to sign in."""
_SLOWER_SECONDS = 5.0
_MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DONE = b"Done. You can close this page and go back to the terminal."
_REASONS = {
    "access_denied": "the permission was not given",
    "expired_token": "the time to sign in was over",
    "invalid_client": "the client ID or the client secret is wrong",
    "unauthorized_client": "the client is not allowed to sign in in this way",
    "invalid_scope": "the client may not ask for mail",
    "invalid_grant": "the permission was withdrawn or has expired (Google ends that of a client in "
    "testing after 7 days)",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an issuer is asked.

    Attributes:
        authorize: The page of the sign-in; empty where there is none.
        token: The token endpoint.
        device: The device authorization endpoint; empty where it gives no access to mail.
        scopes: What is asked for, with spaces between.
    """

    authorize: str
    token: str
    device: str
    scopes: str


_KNOWN = {
    # Google's device flow gives no access to mail.
    "google": Endpoints(
        "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token", "",
        "https://mail.google.com/",
    ),
    "microsoft": Endpoints(
        f"{_MICROSOFT}/authorize", f"{_MICROSOFT}/token", f"{_MICROSOFT}/devicecode",
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send "
        "offline_access",
    ),
}  # fmt: skip


def require_issuer(issuer: str) -> str:
    """Return a value of `--oauth`.

    Raises:
        AccountError: It is neither a known provider nor an issuer's URL.
    """
    parts = urlsplit(issuer)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if issuer in _KNOWN or parts.scheme == "https" or is_local:
        return issuer
    raise AccountError(f"--oauth is google, microsoft or an issuer's https URL, not {issuer!r}.")


def get_endpoints(issuer: str) -> Endpoints:
    """Return the endpoints of an issuer; another than the known ones publishes them (RFC 8414).

    Raises:
        AccountError: It was not reached.
    """
    known = _KNOWN.get(issuer)
    if known is not None:
        return known
    found = _ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration", {})[1]
    return Endpoints(
        str(found.get("authorization_endpoint", "")),
        str(found.get("token_endpoint", "")),
        str(found.get("device_authorization_endpoint", "")),
        "email offline_access",
    )


def request_tokens(url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer of a token endpoint (RFC 6749 section 5).

    Raises:
        LoginRefusedError: It refuses; the message says why in plain words.
        AccountError: It was not reached, or failed.
    """
    status, answer = _ask("POST", url, form)
    if status < 400 and answer.get("access_token"):
        return answer
    code = str(answer.get("error", status))[:60]
    if 400 <= status < 500 and status != 429:
        raise LoginRefusedError(
            f"The provider gave no access token ({code}): {_explain(code)}. Connect the account "
            "again."
        )
    raise AccountError(f"The token endpoint {url} failed ({code}).")


def sign_in_on_loopback(client: Secret, login: str, show: Callable[[str], None]) -> str:
    """Let the person sign in in a browser of this machine; return the refresh token.

    Args:
        client: The OAuth client, with an empty value.
        login: The account.
        show: Takes the URL to open.
    Raises:
        LoginRefusedError: The permission was not given.
        AccountError: No sign-in came within ten minutes, or the provider was not reached.
    """
    endpoints = get_endpoints(client.issuer)
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(24)
    digest = hashlib.sha256(verifier.encode()).digest()
    with HTTPServer(("127.0.0.1", 0), _Redirect) as server:
        # Microsoft accepts any port of `localhost` alone.
        host = "localhost" if client.issuer == "microsoft" else "127.0.0.1"
        redirect = f"http://{host}:{server.server_port}"
        query = {
            "client_id": client.client_id, "redirect_uri": redirect, "response_type": "code",
            "scope": endpoints.scopes, "state": state, "login_hint": login,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256", "access_type": "offline", "prompt": "consent",
        }  # fmt: skip
        show(f"{endpoints.authorize}?{urlencode(query)}")
        answer = _await_redirect(server, state)
    if "code" not in answer:
        reason = _explain(answer.get("error", "access_denied"))
        raise LoginRefusedError(f"The sign-in at the provider ended: {reason}.")
    form = _identify(client) | {
        "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect,
        "code_verifier": verifier,
    }  # fmt: skip
    return _get_refresh_token(request_tokens(endpoints.token, form))


def sign_in_on_device(client: Secret, show: Callable[[str], None]) -> str:
    """Let the person sign in on any device; return the refresh token.

    Args:
        client: The OAuth client, with an empty value.
        show: Takes the page to open and the code to type there.
    Raises:
        LoginRefusedError: The permission was not given, or not in time.
        AccountError: The provider has no such sign-in for mail, or was not reached.
    """
    endpoints = get_endpoints(client.issuer)
    if not endpoints.device:
        raise AccountError(
            f"{client.issuer} gives no access to mail by a code. Leave --device out and sign in in "
            "a browser of this machine, or use an app password."
        )
    form = _identify(client) | {"scope": endpoints.scopes}
    status, device = _ask("POST", endpoints.device, form)
    if status >= 400 or "device_code" not in device:
        reason = _explain(str(device.get("error", status))[:60])
        raise LoginRefusedError(f"The provider began no sign-in: {reason}.")
    page = device.get("verification_uri") or device.get("verification_url")
    show(f"Open {page} and type {device['user_code']}")
    poll = _identify(client) | {"grant_type": _DEVICE_GRANT, "device_code": device["device_code"]}
    return _poll(endpoints.token, poll, float(device.get("interval", 5)))


def _poll(url: str, form: Mapping[str, str], interval: float) -> str:
    deadline = time.monotonic() + SIGN_IN_SECONDS
    while time.monotonic() < deadline:
        time.sleep(interval)
        _, answer = _ask("POST", url, form)
        if answer.get("access_token"):
            return _get_refresh_token(answer)
        code = str(answer.get("error", ""))[:60]
        if code == "slow_down":
            interval += _SLOWER_SECONDS
        elif code != "authorization_pending":
            raise LoginRefusedError(f"The sign-in at the provider ended: {_explain(code)}.")
    raise LoginRefusedError(f"The sign-in at the provider ended: {_explain('expired_token')}.")


class _Redirect(BaseHTTPRequestHandler):
    """Takes what the browser brings back."""

    timeout = 10.0  # A connection that says nothing does not hold up the browser's.
    answer: dict[str, str]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.answer = {  # type: ignore[attr-defined]
            name: values[0] for name, values in query.items()
        }
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(_DONE)))
        self.end_headers()
        self.wfile.write(_DONE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write nothing: the request holds the code."""


def _await_redirect(server: HTTPServer, state: str) -> dict[str, str]:
    """Return the parameters of the redirect that has the state; others prove nothing."""
    deadline = time.monotonic() + SIGN_IN_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        server.timeout = left
        server.handle_request()
        answer: dict[str, str] = getattr(server, "answer", {})
        if secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
            return answer
    raise AccountError("No sign-in at the provider came within ten minutes. Try again.")


def _identify(client: Secret) -> dict[str, str]:
    form = {"client_id": client.client_id}
    return form | {"client_secret": client.client_secret} if client.client_secret else form


def refresh(secret: Secret) -> tuple[str, str, float]:
    """Return an access token, the refresh token that is valid now, and the seconds of the first.

    Raises:
        LoginRefusedError: The refresh token was revoked or has expired.
        AccountError: The endpoint was not reached.
    """
    form = {"grant_type": "refresh_token", "refresh_token": secret.value}
    answer = request_tokens(get_endpoints(secret.issuer).token, _identify(secret) | form)
    seconds = float(answer.get("expires_in") or 300)
    return str(answer["access_token"]), str(answer.get("refresh_token") or secret.value), seconds


def _get_refresh_token(answer: Mapping[str, Any]) -> str:
    token = str(answer.get("refresh_token", ""))
    if not token:
        raise AccountError(
            "The provider gave no refresh token. Allow the client offline access, and try again."
        )
    return token


def _explain(code: str) -> str:
    return _REASONS.get(code, f"the provider says {code or 'nothing'}")


def _ask(method: str, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    import httpx  # With the first token: a server without one does not need it.

    data = dict(form) if method == "POST" else None
    try:
        reply = httpx.request(method, url, data=data, timeout=_HTTP_TIMEOUT)
        answer = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise AccountError(f"{url} did not answer ({type(error).__name__}).") from None
    return reply.status_code, answer if isinstance(answer, dict) else {}
