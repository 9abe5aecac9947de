"""Logins at a provider with TLS and tokens: given, by a command, in a browser and by a code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.imap.conftest import PROGRAM, Connect, Serve
from tests.imap.test_connected import mail
from tests.support.dovecot import USER, Dovecot
from tests.support.oauth import CLIENT_ID, OAuthServer
from tests.support.server import ServerFixture, accepted
from tests.support.smtp_sink import SmtpSink

Tokens = Sequence[str]


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    """The provider's OAuth server."""
    with OAuthServer(USER) as running:
        yield running


@pytest.fixture
def dovecot(
    sink: SmtpSink, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dovecot]:
    """The provider, which takes tokens; its certificate is trusted."""
    with Dovecot(int(sink.url.rpartition(":")[2]), oauth.url) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
        yield running


def hosts(dovecot: Dovecot, name: str = "localhost") -> tuple[str, ...]:
    """Return the options for the provider's ports with TLS."""
    imap, smtp = f"{name}:{dovecot.imaps_port}", f"{name}:{dovecot.smtps_port}"
    return ("--imap", imap, "--smtp", smtp, "--tls", "required")


def client(oauth: OAuthServer) -> tuple[str, ...]:
    """Return the options of a sign-in."""
    return ("--oauth", oauth.url, "--client-id", CLIENT_ID)


def test_a_refresh_token_is_renewed_and_replaced_and_its_end_is_said_in_plain_words(
    connect: Connect, serve: Serve, dovecot: Dovecot, oauth: OAuthServer, sink: SmtpSink
) -> None:
    oauth.refresh_tokens.add("ya29.first")
    done = connect(
        *hosts(dovecot), *client(oauth), "--refresh-token-env", "TEST_TOKEN", "--mode", "autonomous"
    )
    assert done.returncode == 0, done.stderr
    server = serve()
    dovecot.deliver(mail("Offer"))
    received = server.wait_for_message("Offer")["id"]
    accepted(server.reply(received, "Gladly."), 202)
    assert sink.next().mail_from == USER
    assert len(oauth.requests) == 2  # `connect`, and then once for both servers
    oauth.access_tokens.clear()
    dovecot.kill()
    dovecot.start()
    dovecot.deliver(mail("Second"))
    server.wait_for_message("Second")
    assert len(oauth.requests) == 3
    oauth.access_tokens.clear()
    oauth.refresh_tokens.clear()
    dovecot.kill()
    dovecot.start()
    server.wait_until(lambda: _get_detail(server))
    assert "the permission was withdrawn or has expired" in _get_detail(server)


def _get_detail(server: ServerFixture) -> str:
    (account,) = server.read(lambda tx: tx.connected_accounts())
    return account.detail if account.state == "refused" else ""


def sign_in(
    place: dict[str, Any], options: Sequence[str], follow: Callable[[str], object] = lambda _: None
) -> tuple[int, str]:
    """Run `multimail connect`; call `follow` with the last line that it shows to the person."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "connect", USER, "--data", str(place["data"]), "--json",
         *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stderr is not None
    shown = process.stderr.readline()
    if shown.startswith("Sign in"):
        shown = process.stderr.readline()
    follow(shown.strip())
    _, more = process.communicate(timeout=60)
    return process.returncode, shown + more


@pytest.mark.parametrize(
    ("denied", "words"), [("", ""), ("access_denied", "the permission was not given")]
)
def test_a_person_signs_in_in_a_browser_of_this_machine(
    place: dict[str, Any], dovecot: Dovecot, oauth: OAuthServer, denied: str, words: str
) -> None:
    oauth.denied = denied

    def follow(url: str) -> None:
        redirect = url.partition("redirect_uri=")[2].partition("&")[0]
        forged = httpx.URL(f"http://x/?u={redirect}").params["u"]
        httpx.get(forged, params={"code": "other", "state": "guessed"})
        assert httpx.get(url, follow_redirects=True).text.startswith("Done")

    status, shown = sign_in(place, (*hosts(dovecot), *client(oauth)), follow)
    assert (status, words in shown) == (int(bool(denied)), True), shown
    assert "client_secret" not in shown


@pytest.mark.parametrize(
    ("denied", "words"),
    [("", "type WDJB-MJHT"), ("expired_token", "the time to sign in was over")],
)
def test_a_person_signs_in_on_another_device(
    place: dict[str, Any], dovecot: Dovecot, oauth: OAuthServer, denied: str, words: str
) -> None:
    oauth.denied = denied
    status, shown = sign_in(place, (*hosts(dovecot), *client(oauth), "--device"))
    assert (status, words in shown) == (int(bool(denied)), True), shown


def test_google_gives_no_access_to_mail_by_a_code(connect: Connect, dovecot: Dovecot) -> None:
    done = connect(*hosts(dovecot), "--oauth", "google", "--client-id", "x", "--device")
    assert "gives no access to mail by a code" in json.loads(done.stderr)["error"]


@pytest.mark.parametrize(
    ("command", "words"),
    [("printf access-1", ""), ("false", "printed no token"), ("printf other", "not valid")],
)
def test_a_command_prints_the_token(
    connect: Connect, dovecot: Dovecot, oauth: OAuthServer, command: str, words: str
) -> None:
    oauth.access_tokens.add("access-1")
    done = connect(*hosts(dovecot), "--token-command", command)
    assert (done.returncode, words in done.stderr) == (int(bool(words)), True), done.stderr


def test_a_certificate_that_is_not_the_server_s_gets_no_password(
    connect: Connect, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert connect(*hosts(dovecot)).returncode == 0
    assert "certificate" in connect(*hosts(dovecot, "127.0.0.1")).stderr
    plain = ("--imap", f"localhost:{dovecot.imap_port}", "--smtp", f"localhost:{dovecot.smtp_port}")
    assert connect(*plain, "--tls", "starttls").returncode == 0
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    assert "certificate" in connect(*plain, "--tls", "starttls").stderr
