"""A name server on the loopback that answers from a zone, or is silent about some names."""

from __future__ import annotations

import socket
import threading
from typing import Self

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
from tests.guards.corpus_case import REFUSAL, SILENCE

Address = tuple[str, int]


class NameServer:
    """Answers over UDP, from the first `with` on.

    Args:
        zone: A master file with absolute names. A TXT record `SILENCE` makes its name one of
            which the server says nothing, and `REFUSAL` one at which it fails.
    """

    def __init__(self, zone: str) -> None:
        self._zone = dns.zone.from_text(
            f"$TTL 300\n{zone}", origin=dns.name.root, relativize=False, check_origin=False
        )
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, port = self._socket.getsockname()
        return str(host), int(port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            reply = self._reply(dns.message.from_wire(data))
            if reply is not None:
                self._socket.sendto(reply.to_wire(), peer)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        reply = dns.message.make_response(query)
        asked = query.question[0]
        node = self._zone.get_node(asked.name)
        if node is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return reply
        for found in node:
            if SILENCE in found.to_text():
                return None
            if REFUSAL in found.to_text():
                reply.set_rcode(dns.rcode.SERVFAIL)
            elif found.rdtype in (asked.rdtype, dns.rdatatype.CNAME):
                reply.answer.append(dns.rrset.from_rdata_list(asked.name, 300, list(found)))
        return reply
