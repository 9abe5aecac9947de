"""Event loops: what belongs to one of them, and threads for what would block it."""

from __future__ import annotations

import contextvars
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._forks import reset_after_fork
from .errors import ConfigurationError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")

_ATTRIBUTE = "_multimail"
_MAX_DEAD_LOOPS = 8
_MAX_THREADS = 32


def get_running_loop() -> AbstractEventLoop:
    """Return the running event loop.

    Raises:
        ConfigurationError: None of asyncio's runs, as under trio.
    """
    import asyncio  # imported here: a process with only synchronous tools never loads it

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "Asynchronous calls need an event loop of asyncio, and none runs here.",
            remedy="Under trio, make the synchronous call in a thread (trio.to_thread.run_sync); "
            "with anyio, choose the backend asyncio.",
        ) from None


class LoopLocal(Generic[T]):
    """A value for each event loop, which goes with its loop.

    A value that holds on to its loop, as connections do, is only held by that loop: a mapping here
    would keep both for ever.
    """

    def __init__(self) -> None:
        self._loops: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        """Each thread has a loop of its own: they add to the set while one goes through it."""
        self._dead = 0

    def get(self, loop: AbstractEventLoop) -> T | None:
        """Return the value of a loop, or None."""
        values: Any = getattr(loop, _ATTRIBUTE, None)
        return None if values is None else values.get(self)

    def set(self, loop: AbstractEventLoop, value: T) -> None:
        """Set the value of a loop."""
        self._forget_closed()
        values: Any = getattr(loop, _ATTRIBUTE, None)
        if values is None:
            values = weakref.WeakKeyDictionary()
            setattr(loop, _ATTRIBUTE, values)
        values[self] = value
        with self._lock:
            self._loops.add(loop)

    def pop(self, loop: AbstractEventLoop) -> T | None:
        """Remove the value of a loop, and return it."""
        values: Any = getattr(loop, _ATTRIBUTE, None)
        with self._lock:
            self._loops.discard(loop)
        return None if values is None else values.pop(self, None)

    def _forget_closed(self) -> None:
        """Free what a loop left that was closed without the end of its asynchronous generators."""
        with self._lock:
            closed = [loop for loop in self._loops if loop.is_closed()]
        for loop in closed:
            if self.pop(loop) is not None:
                self._dead += 1
        if self._dead >= _MAX_DEAD_LOOPS:
            self._dead = 0
            gc.collect()  # sockets and protocols hold each other


class _Threads:
    """Threads for calls that would block an event loop; not those of asyncio, which it needs."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._executor = None

    def get(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="multimail")
        return self._executor


_threads = _Threads()


async def run_in_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function in a thread, with the context of the running task, and return its result."""
    bound = partial(contextvars.copy_context().run, function, *args)
    return await get_running_loop().run_in_executor(_threads.get(), bound)
