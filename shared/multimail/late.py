"""Late names: what a package exports, imported when it is first asked for (PEP 562).

A package says under `TYPE_CHECKING` what it exports, for type checkers and editors, and gives
`exports` the same names with their modules for the running program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(
    package: str, homes: Mapping[str, str], modules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`.

    Args:
        package: The package's `__name__`.
        homes: By module of the package, the names that it lends the package, with blanks between
            them; `name=other` where the package calls the module's `other` by another name.
        modules: Modules that are attributes of the package without an import of their own.

    Source: PEP 562.
    """
    found = {
        name: (home, other or name)
        for home, names in homes.items()
        for name, _, other in (one.partition("=") for one in names.split())
    }
    parts = frozenset(modules.split())

    def get(name: str) -> Any:
        if name in parts:
            return import_module(f".{name}", package)
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, other = found[name]
        value = getattr(import_module(f".{home}", package), other)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *found, *parts})

    return get, listed
