"""Options: a server's settings by the short names that the pytest marker takes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from .comforts import clock_of
from .settings import ServerConfig

_SHORT = {"mode": "oversight_mode", "mailbox": "mailbox_address"}
_NO_DNS = Path(__file__).with_name("no_dns.zone")
_PATHS = frozenset({"data", "dns_zone", "seed_mail"})


def config_of(options: dict[str, Any]) -> ServerConfig:
    """Return the settings of a server for tests: free ports, no DNS, and what the options say.

    Args:
        options: Fields of `ServerConfig`; `mode` and `mailbox` stand for the long names, `clock`
            may be `virtual` or `virtual:<ISO 8601 time>`, and a path may be a str.
    Raises:
        ValueError: There is no such option, or no such clock.
    """
    settings = {_SHORT.get(name, name): value for name, value in options.items()}
    known = {one.name for one in fields(ServerConfig)}
    unknown = sorted(set(settings) - known)
    if unknown:
        names = ", ".join(sorted({*known, *_SHORT}))
        raise ValueError(f"there is no option {unknown[0]!r}; the options are {names}")
    for name in _PATHS & set(settings):
        settings[name] = None if settings[name] is None else Path(settings[name])
    if isinstance(settings.get("clock"), str):
        settings["clock"] = clock_of(settings["clock"])
    return ServerConfig(**{"port": 0, "smtp_port": 0, "dns_zone": _NO_DNS, **settings})
