"""SMTP from outside: STARTTLS with a certificate that is renewed, and balancers in front."""

from __future__ import annotations

import shutil
import smtplib
import socket
import ssl
from pathlib import Path

import pytest
from tests.mail.test_mail_relay import certificate
from tests.support.dovecot import make_certificate
from tests.support.server import ServerFixture, Start

__all__ = ["certificate"]
ZONE = '$ORIGIN other.test.\n@ 60 IN TXT "v=spf1 ip4:203.0.113.7 -all"\n'
MAIL = "From: ann@other.test\r\nTo: agent@multimail.test\r\nSubject: {}\r\n\r\nHello.\r\n"


class Front(smtplib.SMTP):
    """A client behind a balancer, which names it."""

    header = b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 25\r\n"

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        connection.sendall(self.header)
        return connection


class Check(Front):
    """A balancer that looks whether the server is there."""

    header = b"PROXY UNKNOWN\r\n"


def connect(server: ServerFixture, kind: type[smtplib.SMTP] = smtplib.SMTP) -> smtplib.SMTP:
    host, _, port = server.smtp.rpartition(":")
    return kind(host, int(port), timeout=30)


def send(client: smtplib.SMTP, subject: str) -> None:
    client.sendmail("ann@other.test", ["agent@multimail.test"], MAIL.format(subject))


def test_mail_comes_by_starttls_and_a_renewed_certificate_is_used_at_once(
    start: Start, certificate: Path, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for source, target in (("cert.pem", cert), ("key.pem", key)):
        shutil.copy(certificate / source, target)
    server = start(smtp_tls_cert=cert, smtp_tls_key=key)
    before = ssl.create_default_context(cafile=str(cert))
    with connect(server) as client:
        client.starttls(context=before)
        send(client, "By TLS")
    server.wait_for_message("By TLS")
    make_certificate(tmp_path / "new.pem", tmp_path / "new.key")
    (tmp_path / "new.pem").replace(cert)
    with connect(server) as client:  # The key does not fit yet: the old pair is used.
        client.starttls(context=before)
    (tmp_path / "new.key").replace(key)
    with connect(server) as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=before)


def test_a_front_names_the_client_whose_spf_and_limits_count(
    start: Start, certificate: Path, tmp_path: Path
) -> None:
    zone = tmp_path / "zone"
    zone.write_text(ZONE)
    server = start(
        dns_zone=zone, smtp_fronts="127.0.0.1", smtp_per_minute=2,
        smtp_tls_cert=certificate / "cert.pem", smtp_tls_key=certificate / "key.pem",
    )  # fmt: skip
    with connect(server, Front) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(certificate / "cert.pem")))
        send(client, "Named")
    named = server.wait_for_message("Named")
    assert server.email(named["id"])["authentication"]["spf"]["result"] == "pass"
    with connect(server, Check) as check:
        assert check.noop()[0] == 250
    connect(server, Front).close()
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        connect(server, Front)
    assert refused.value.smtp_code == 421


def test_a_client_that_is_no_front_cannot_name_another(start: Start) -> None:
    server = start(smtp_fronts="192.0.2.1")
    with connect(server) as client:
        assert client.docmd("PROXY TCP4 203.0.113.7 127.0.0.1 40000 25")[0] == 500
