"""Live DNS that is imported with the first look-up: its libraries would double a server's start."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dns import HostKind, Resolver


class LateResolver:
    """The `Resolver` that `dns.live_resolver` returns, made when it is first asked something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resolver: Resolver | None = None

    def txt(self, name: str) -> list[bytes]:
        """Return TXT records. See `Resolver.txt`."""
        return self._asked().txt(name)

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return hosts or addresses. See `Resolver.hosts`."""
        return self._asked().hosts(name, kind)

    def _asked(self) -> Resolver:
        with self._lock:
            if self._resolver is None:
                from .dns import live_resolver

                self._resolver = live_resolver()
            return self._resolver
