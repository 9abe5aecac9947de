"""DNS: a zone file is all the world there is, and live DNS tells silence from absence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from multimail_server.mail.dns import DnsUnavailable, live_resolver, zone_resolver
from multimail_server.mail.signing import zone_lines


def zone(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "zone"
    path.write_text(text, "utf-8")
    return path


def test_names_of_any_domain_are_found(tmp_path: Path) -> None:
    lines = zone_lines([("a.example.com", "one"), ("b.example.org.", "t" * 600), ("c.x", 'q"\\é;')])
    resolver = zone_resolver(zone(tmp_path, lines))
    assert resolver.txt("a.example.com") == [b"one"]
    assert resolver.txt("A.EXAMPLE.com.") == [b"one"]
    assert resolver.txt("b.example.org") == [b"t" * 600]
    assert resolver.txt("c.x") == ['q"\\é;'.encode()]


def test_a_name_that_is_not_in_it_does_not_exist(tmp_path: Path) -> None:
    resolver = zone_resolver(zone(tmp_path, 'a.example. IN TXT "x"\nb.example. IN A 192.0.2.1\n'))
    for name in ("example", "b.example", "c.example", "", "..", "x" * 70 + ".example", "a\0b"):
        assert resolver.txt(name) == []


def test_an_alias_is_followed_but_not_in_circles(tmp_path: Path) -> None:
    text = 'a.x. CNAME b.x.\nb.x. TXT "yes"\nc.x. CNAME d.x.\nd.x. CNAME c.x.\n'
    resolver = zone_resolver(zone(tmp_path, text))
    assert resolver.txt("a.x") == [b"yes"]
    assert resolver.txt("c.x") == []


def test_a_comment_a_ttl_and_several_records_are_understood(tmp_path: Path) -> None:
    text = '$TTL 60\n; keys\na.x. 5 IN TXT ( "one"\n "two" )\na.x. IN TXT "three"\n'
    assert sorted(zone_resolver(zone(tmp_path, text)).txt("a.x")) == [b"onetwo", b"three"]


def test_a_file_that_is_no_zone_says_where(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a DNS master file"):
        zone_resolver(zone(tmp_path, 'a.x. IN TXT "open\n'))


@pytest.fixture
def name_server() -> Iterator[tuple[str, int]]:
    """A name server that answers by the first label of what it is asked."""

    def serve() -> None:
        while True:
            data, peer = listener.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name
            reply = dns.message.make_response(query)
            kind = name.labels[0]
            if kind == b"silent":
                continue
            if kind == b"broken":
                reply.set_rcode(dns.rcode.SERVFAIL)
            elif kind == b"absent":
                reply.set_rcode(dns.rcode.NXDOMAIN)
            elif kind == b"there":
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"one" "two"'))
            listener.sendto(reply.to_wire(), peer)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        listener.sendto(b"", listener.getsockname())
        thread.join()


def test_live_dns_tells_silence_from_absence(name_server: tuple[str, int]) -> None:
    resolver = live_resolver(0.5, server=name_server)
    assert resolver.txt("there.example") == [b"onetwo"]
    assert resolver.txt("absent.example") == []
    assert resolver.txt("empty.example") == []
    for name in ("silent.example", "broken.example"):
        with pytest.raises(DnsUnavailable):
            resolver.txt(name)
