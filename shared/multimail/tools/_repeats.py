"""Errors that a model repeats: the second equal answer would not help it either."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._forks import reset_after_fork
from ._spec import UNKNOWN_OUTCOME, ToolError, ToolResult, ToolSpec

MAX_REMEMBERED = 512
"""How many failed calls a session remembers, of all its conversations."""

_WAITING = frozenset({"timeout"})
"""Codes of what may well be called again: nothing came yet."""


class RepeatedErrors:
    """Remembers the failed calls of conversations, and answers an equal one in other words."""

    def __init__(self) -> None:
        self._codes: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no call has failed."""
        return not self._codes

    def check(
        self, conversation: str, spec: ToolSpec, arguments: Any, result: ToolResult
    ) -> ToolResult:
        """Return the result, or a plainer one if the same call failed like that before.

        Args:
            conversation: The conversation's id.
            spec: The tool.
            arguments: As the model wrote them.
            result: What the call returned.
        """
        call = _hash_call(conversation, spec.name, arguments)
        code = result.error.code if result.error else None
        with self._lock:
            before = self._codes.pop(call, None)
            if code is None or code in _WAITING:
                return result
            self._codes[call] = code
            if len(self._codes) > MAX_REMEMBERED:
                self._codes.popitem(last=False)
        if before != code or result.error is None:
            return result
        error = _build_second(spec, result.error)
        return replace(ToolResult.failure(error, result.decision), files=result.files)


def _hash_call(conversation: str, name: str, arguments: Any) -> str:
    given = dict(arguments) if isinstance(arguments, Mapping) else arguments
    try:
        text = json.dumps(given, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        text = repr(given)
    facts = f"{conversation}\0{name}\0{text}"
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()


def _build_second(spec: ToolSpec, error: ToolError) -> ToolError:
    if error.next_step == UNKNOWN_OUTCOME:
        said = f"It is still unknown whether {spec.name} did this"
        step = "Check with get_thread or list_pending, and tell the user. Do not rephrase it."
    elif error.retryable:
        said = f"You sent the same {spec.name} call again, and it failed again"
        step = "Wait before you call it once more, or stop and tell the user."
    else:
        said = f"You sent the same {spec.name} call again; it will fail each time"
        step = _get_step(spec, error)
    return replace(error, message=said, next_step=step)


def _get_step(spec: ToolSpec, error: ToolError) -> str:
    needed = spec.args.model_fields.keys() - set(spec.list_optional())
    optional = [name for name in error.about if name not in needed]
    wrong = [name for name in error.about if name in needed]
    if optional or error.code == "invalid_arguments":
        steps = [
            *([f"leave out {' and '.join(optional)}"] if optional else []),
            *([f"give another {' and '.join(wrong)}"] if wrong else []),
        ]
        step = " and ".join(steps) or "correct its arguments"
        return f"{step[0].upper()}{step[1:]}, or stop and tell the user."
    if error.code == "not_found":
        return "Call check_inbox for the ids that exist, or stop and tell the user."
    return f"{error.next_step} Or stop, and tell the user what failed.".lstrip()
