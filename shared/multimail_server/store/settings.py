"""Settings that a server makes for itself once, and that every start finds again."""

from __future__ import annotations

from collections.abc import Callable

from .protocol import Store, Tx


def kept_setting(store: Store, name: str, make: Callable[[], str]) -> str:
    """Return a setting, made at the first start; two servers that start at once get the same."""
    known = store.read(lambda tx: tx.setting(name))
    if known is not None:
        return known
    made = make()

    def keep(tx: Tx) -> str:
        earlier = tx.setting(name)
        if earlier is None:
            tx.set_setting(name, made)
        return earlier or made

    return store.write(keep)
