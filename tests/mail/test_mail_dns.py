"""DNS: a zone file answers alone, and live DNS distinguishes silence from absence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from multimail_server.mail.auth.dns import MAX_LOOKUPS, DnsBudget, DnsBudgets, DnsUnavailableError
from multimail_server.mail.auth.resolvers import live_resolver, zone_resolver
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
            elif kind == b"dangling":
                reply.set_rcode(dns.rcode.NXDOMAIN)
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "gone.example."))
            elif kind == b"mixed":
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "other.example."))
                reply.answer.append(
                    dns.rrset.from_text("other.example.", 60, "IN", "MX", "5 mail.example.")
                )
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


def test_live_dns_distinguishes_silence_from_absence(name_server: tuple[str, int]) -> None:
    resolver = live_resolver(0.5, server=name_server)
    assert resolver.txt("there.example") == [b"onetwo"]
    assert resolver.txt("absent.example") == []
    assert resolver.txt("empty.example") == []
    assert resolver.hosts("mixed.example", "MX") == ["mail.example"]
    assert resolver.hosts("absent.example", "A") == []
    for name in ("silent.example", "broken.example"):
        with pytest.raises(DnsUnavailableError):
            resolver.txt(name)
        with pytest.raises(DnsUnavailableError):
            resolver.hosts(name, "AAAA")
        with pytest.raises(DnsUnavailableError):
            resolver.exists(name)
    names = ("there", "empty", "dangling", "absent", "x" * 70)
    existing = [name for name in names if resolver.exists(f"{name}.example")]
    assert existing == ["there", "empty", "dangling"]


HOSTS = """
a.x. A 192.0.2.1
a.x. A 192.0.2.2
a.x. AAAA 2001:DB8:0::1
b.x. CNAME a.x.
m.x. MX 10 one.x.
m.x. MX 20 Two.x.
n.x. MX 0 .
1.2.0.192.in-addr.arpa. PTR a.x.
"""


def test_addresses_and_hosts_are_found(tmp_path: Path) -> None:
    dns = zone_resolver(zone(tmp_path, HOSTS))
    assert sorted(dns.hosts("a.x", "A")) == ["192.0.2.1", "192.0.2.2"]
    assert sorted(dns.hosts("B.x.", "A")) == ["192.0.2.1", "192.0.2.2"]
    assert dns.hosts("a.x", "AAAA") == ["2001:db8::1"]
    assert sorted(host.lower() for host in dns.hosts("m.x", "MX")) == ["one.x", "two.x"]
    assert dns.hosts("n.x", "MX") == [""]
    assert dns.hosts("1.2.0.192.in-addr.arpa", "PTR") == ["a.x"]
    assert dns.hosts("a.x", "MX") == dns.hosts("c.x", "A") == dns.hosts("..", "A") == []
    names = ("A.x", "b.x.", "192.in-addr.arpa", "c.x", "z.a.x", "..")
    assert [dns.exists(name) for name in names] == [True] * 3 + [False] * 3


class SlowDns:
    """DNS where each look-up takes a second of a clock of its own."""

    def __init__(self) -> None:
        self.time = 0.0
        self.queries: list[str] = []

    def clock(self) -> float:
        return self.time

    def txt(self, name: str) -> list[bytes]:
        self.time += 1
        self.queries.append(name)
        if name.startswith("silent"):
            raise DnsUnavailableError("DNS did not answer")
        return [name.encode()]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return [record.decode() for record in self.txt(f"{name}/{kind}")]


def test_nothing_is_asked_twice() -> None:
    dns = SlowDns()
    budget = DnsBudget(dns)
    assert budget.txt("a.x") == budget.txt("A.X.") == [b"a.x"]
    assert budget.hosts("a.x", "A") == budget.hosts("a.X", "A") == ["a.x/A"]
    for _ in range(2):
        with pytest.raises(DnsUnavailableError, match="did not answer"):
            budget.txt("silent.x")
    assert dns.queries == ["a.x", "a.x/A", "silent.x"]


def test_look_ups_are_counted_and_what_is_known_stays_known() -> None:
    dns = SlowDns()
    budget = DnsBudget(dns, max_lookups=2)
    budget.txt("a.x")
    budget.hosts("a.x", "MX")
    with pytest.raises(DnsUnavailableError, match="look-ups allowed for one message are used up"):
        budget.txt("b.x")
    assert budget.txt("a.x") == [b"a.x"]
    assert dns.queries == ["a.x", "a.x/MX"]


def test_only_time_spent_on_its_own_look_ups_is_counted() -> None:
    dns = SlowDns()
    budget = DnsBudget(dns, max_seconds=2.0, clock=dns.clock)
    dns.time += 100
    budget.txt("a.x")
    dns.time += 100
    budget.txt("b.x")
    with pytest.raises(DnsUnavailableError, match="time allowed for one message"):
        budget.txt("c.x")
    assert dns.queries == ["a.x", "b.x"]


def test_strangers_do_not_use_up_what_is_for_the_domain_in_from() -> None:
    budgets = DnsBudgets(SlowDns())
    for number in range(MAX_LOOKUPS):
        budgets.choose(False).txt(f"{number}.attacker.test")
    with pytest.raises(DnsUnavailableError, match="used up"):
        budgets.choose(False).txt("one-more.attacker.test")
    assert (
        budgets.choose(True).txt("bank.test")
        == budgets.choose(None).txt("bank.test")
        == [b"bank.test"]
    )
