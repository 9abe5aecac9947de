"""The ground: this package's server in a process of its own, with signed mail in its mailbox."""

from __future__ import annotations

import smtplib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.server.processes import FREE, SERVE, running

from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

from .mails import DOMAIN, Mail

_SELECTOR = "bench"
_UNLIMITED = (
    *("--smtp-per-minute", "1000000", "--smtp-connections", "500"),
    *("--requests-per-minute", "10000000"),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """A server with a mailbox.

    Attributes:
        url: The API.
        smtp: Host and port of its SMTP server.
        mailbox: The mailbox's id.
        address: The mailbox's address.
        key: An agent's key.
    """

    url: str
    smtp: str
    mailbox: str
    address: str
    key: str

    def options(self) -> dict[str, Any]:
        """Return the arguments that make a toolkit work here."""
        return {"api_key": self.key, "base_url": self.url, "mailbox": self.mailbox}

    def deliver(self, mails: Sequence[bytes]) -> None:
        """Send mail to the mailbox over one SMTP connection; it is stored on return."""
        host, _, port = self.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=60) as connection:
            for raw in mails:
                connection.sendmail(f"bounces@{DOMAIN}", [self.address], raw)


@contextmanager
def served(mails: Sequence[Mail] = (), *more: str) -> Iterator[Ground]:
    """Serve a mailbox in memory with this mail, signed by its domain, until the block ends.

    Args:
        mails: Oldest first.
        more: Further options of `multimail serve`.
    """
    pem, record = generate_key()
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        records = [
            (f"{_SELECTOR}._domainkey.{DOMAIN}", record),
            (f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject"),
        ]
        zone.write_text(zone_lines(records), "utf-8")
        with running(*SERVE, *FREE, *_UNLIMITED, "--dns-zone", str(zone), *more) as server:
            banner = server.banner
            box = banner["mailbox"]
            ground = Ground(
                banner["url"], banner["smtp"], box["id"], box["address"], banner["keys"]["agent"]
            )
            ground.deliver([_signed(one.mime(ground.address), pem) for one in mails])
            yield ground


def _signed(raw: bytes, pem: bytes) -> bytes:
    return sign_dkim(raw, domain=DOMAIN, selector=_SELECTOR, private_key_pem=pem)
