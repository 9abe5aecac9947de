"""Lazy exports: a package's public names, imported on first access (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, exports: Mapping[str, str], submodules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Build a package's `__getattr__` and `__dir__`.

    The package imports the same names under `TYPE_CHECKING`, for type checkers and editors.

    Args:
        package: The package's `__name__`.
        exports: Maps a submodule to the names it provides, separated by spaces; `alias=name`
            exports the submodule's `name` as `alias`.
        submodules: Submodules that can be reached as attributes without an import, separated by
            spaces.

    Source: PEP 562.
    """
    sources = {
        alias: (module, name or alias)
        for module, names in exports.items()
        for alias, _, name in (item.partition("=") for item in names.split())
    }
    modules = frozenset(submodules.split())

    def get_attribute(name: str) -> Any:
        if name in modules:
            return import_module(f".{name}", package)
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, attribute = sources[name]
        value = getattr(import_module(f".{module}", package), attribute)
        setattr(sys.modules[package], name, value)
        return value

    def list_attributes() -> list[str]:
        return sorted({*vars(sys.modules[package]), *sources, *modules})

    return get_attribute, list_attributes
