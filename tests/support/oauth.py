"""An OAuth server on loopback: codes with PKCE, device codes, refresh tokens, introspection."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

CLIENT_ID = "the client"


class OAuthServer:
    """Gives tokens for one address. A context manager.

    Attributes:
        url: The issuer.
        refresh_tokens: Those that are valid.
        access_tokens: Those that are valid.
        pending: How many polls of the device flow are answered "not yet".
        denied: The error that a sign-in ends with, if any.
        requests: The forms of the requests for tokens.
    """

    def __init__(self, address: str) -> None:
        self.address, self.denied, self.pending = address, "", 1
        self.refresh_tokens: set[str] = set()
        self.access_tokens: set[str] = set()
        self.requests: list[dict[str, str]] = []
        self.challenges: dict[str, str] = {}
        self._count = 0
        handler = type("Handler", (_Handler,), {"oauth": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request for tokens."""
        self.requests.append(form)
        error = self._find_error(form)
        if error:
            return 400, {"error": error}
        self._count += 1
        access, refresh = f"access-{self._count}", f"refresh-{self._count}"
        self.access_tokens.add(access)
        self.refresh_tokens.discard(form.get("refresh_token", ""))
        self.refresh_tokens.add(refresh)
        return 200, {"access_token": access, "refresh_token": refresh, "expires_in": 3600}

    def _find_error(self, form: dict[str, str]) -> str:
        kind = form["grant_type"]
        if form["client_id"] != CLIENT_ID:
            return "invalid_client"
        if kind == "refresh_token":
            return "" if form["refresh_token"] in self.refresh_tokens else "invalid_grant"
        if kind == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            is_right = self.challenges.get(form["code"]) == challenge
            return "" if is_right else "invalid_grant"
        if self.denied:
            return self.denied
        self.pending -= 1
        return "authorization_pending" if self.pending >= 0 else ""

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request."""
        if path == "/token":
            return self.grant(form)
        if path == "/introspect":
            active = form.get("token") in self.access_tokens
            return 200, {"active": active, "email": self.address if active else ""}
        if path == "/device":
            return 200, {"device_code": "d", "user_code": "WDJB-MJHT", "interval": 0,
                         "verification_uri": f"{self.url}/activate", "expires_in": 600}  # fmt: skip
        if path.startswith("/.well-known"):
            return 200, {"authorization_endpoint": f"{self.url}/authorize",
                         "token_endpoint": f"{self.url}/token",
                         "device_authorization_endpoint": f"{self.url}/device"}  # fmt: skip
        return 404, {}


class _Handler(BaseHTTPRequestHandler):
    oauth: OAuthServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        form = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize":  # The person agrees at once.
            self.oauth.challenges["code"] = form["code_challenge"]
            answer = f"error={self.oauth.denied}" if self.oauth.denied else "code=code"
            self.send_response(302)
            self.send_header("Location", f"{form['redirect_uri']}?{answer}&state={form['state']}")
            self.end_headers()
            return
        self._reply(*self.oauth.answer(parts.path, form))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._reply(*self.oauth.answer(self.path, form))

    def _reply(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
