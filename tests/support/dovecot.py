"""A real Dovecot on loopback: IMAP, and submission that hands mail to an SMTP sink."""

from __future__ import annotations

import getpass
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import imapclient
import pytest

_NOBODY = 65534
USER, PASSWORD = "me@home.test", "correct horse"
_CONF = """
base_dir = {root}/run
state_dir = {root}/run
{users}log_path = {root}/log
protocols = imap submission
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{root}/mail/%u
first_valid_uid = 0
mail_uid = {uid}
mail_gid = {gid}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_max_mail_size = 50M
imap_capability = +
hostname = home.test
mailbox_list_index = no
maildir_very_dirty_syncs = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/home/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {smtp_port}
  }}
}}
service stats {{
  chroot =
}}
{more}
"""

_OAUTH = """
ssl = yes
ssl_cert = <{root}/certificate.pem
ssl_key = <{root}/key.pem
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {root}/oauth.conf
}}
service imap-login {{
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submissions {{
    port = {smtps_port}
    ssl = yes
  }}
}}
"""
_OAUTH_CONF = """
introspection_url = {url}/introspect?token=
introspection_mode = get
username_attribute = email
active_attribute = active
active_value = true
"""


def require_dovecot() -> str:
    """Return Dovecot's path; skip where it is not installed."""
    found = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if found is None or not Path("/etc/dovecot").exists():
        pytest.skip("dovecot is not installed")
    return found


def make_certificate(certificate: Path, key: Path) -> None:
    """Make a certificate for `localhost`."""
    words = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    )
    if subprocess.run(words.split(), check=False, capture_output=True).returncode:
        pytest.skip("openssl cannot make a certificate here")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Dovecot:
    """Dovecot with one account. A context manager.

    Args:
        relay_port: Where its submission hands mail to.
        oauth_url: The OAuth server that knows the access tokens; None for passwords alone.

    Attributes:
        imap_port, smtp_port: Its ports, without TLS at first.
        imaps_port, smtps_port: Its ports with TLS.
        certificate: Its certificate, for `localhost`, which clients have to trust.
    """

    def __init__(self, relay_port: int, oauth_url: str | None = None) -> None:
        self._program = require_dovecot()
        self._folder = tempfile.TemporaryDirectory(prefix="dovecot-", dir="/tmp")
        self.root = Path(self._folder.name)
        self.root.chmod(0o755)
        self.imap_port, self.smtp_port = _free_port(), _free_port()
        self.imaps_port, self.smtps_port = _free_port(), _free_port()
        self.certificate = self.root / "certificate.pem"
        if oauth_url is not None:
            make_certificate(self.certificate, self.root / "key.pem")
            (self.root / "oauth.conf").write_text(_OAUTH_CONF.format(url=oauth_url))
        (self.root / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}:::::\n")
        # Dovecot reads no mail as root.
        uid, gid = (_NOBODY, _NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
        for name in ("run", "mail", "home"):
            (self.root / name).mkdir()
            if name != "run":
                os.chown(self.root / name, uid, gid)
        conf = _CONF.format(
            root=self.root, users=_name_users(), uid=uid, gid=gid,
            relay_port=relay_port, imap_port=self.imap_port,
            smtp_port=self.smtp_port, more="" if oauth_url is None else _OAUTH.format(
                root=self.root, imaps_port=self.imaps_port, smtps_port=self.smtps_port),
        )  # fmt: skip
        self.conf = self.root / "dovecot.conf"
        self.conf.write_text(conf)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when both ports answer."""
        self._process = subprocess.Popen([self._program, "-F", "-c", str(self.conf)])
        for port in (self.imap_port, self.smtp_port):
            _read_greeting(port, self._process, self.root / "log")

    def kill(self) -> None:
        """End it with SIGKILL, with all of its processes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it begins no more of them
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)],
            capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        ends = [end for child in map(int, children) if (end := _open_process(child)) is not None]
        self._process.kill()
        self._process.wait()
        for end in ends:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(end, signal.SIGKILL)
            # Until it has ended, it listens, and a new Dovecot does not start.
            select.select([end], [], [], 30)
            os.close(end)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        self._folder.cleanup()

    def client(self) -> Any:
        """Return another mail program of the person, signed in."""
        client = imapclient.IMAPClient("127.0.0.1", self.imap_port, ssl=False, timeout=30)
        client.login(USER, PASSWORD)
        return client

    def deliver(self, raw: bytes, folder: str = "INBOX", flags: tuple[bytes, ...] = ()) -> int:
        """Put a message into a folder; return its UID."""
        with self.client() as client:
            reply = client.append(folder, raw, flags)
            return int(reply.split(b"]")[0].split()[-1])

    def messages(self, folder: str) -> list[tuple[bytes, tuple[bytes, ...]]]:
        """Return the bytes and the flags of all messages in a folder."""
        with self.client() as client:
            client.select_folder(folder, readonly=True)
            uids = client.search()
            rows = client.fetch(uids, ["BODY.PEEK[]", "FLAGS"]) if uids else {}
            return [(rows[uid][b"BODY[]"], rows[uid][b"FLAGS"]) for uid in sorted(rows)]


def _open_process(pid: int) -> int | None:
    """Return a descriptor of a process, readable once it has ended; None if it has."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _name_users() -> str:
    """Return who its processes run as: those of its package, which only root can become."""
    if os.getuid() == 0:
        return ""
    import grp

    me, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    users = f"default_internal_user = {me}\ndefault_login_user = {me}\n"
    return f"{users}default_internal_group = {group}\n"


def _read_greeting(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the greeting on a port; the listener is there when the master has begun."""
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as connection:
                if connection.recv(1):
                    return
        except OSError:
            continue
    raise AssertionError(f"dovecot ended: {log.read_text() if log.exists() else ''}")
