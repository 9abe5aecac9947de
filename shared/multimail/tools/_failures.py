"""Failures of tool calls: the text for the model, and which arguments it is about."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pydantic

from ..errors import InvalidResponseError, MultiMailError, NotFoundError
from ._spec import UNKNOWN_OUTCOME, ToolError, ToolResult, ToolSpec

_IS_THREAD = "This is the id of a thread: get_thread shows it, with the ids of its emails."

log = logging.getLogger("multimail.tools")


def build_failure(
    spec: ToolSpec, error: Exception, arguments: Mapping[str, Any] | str
) -> ToolResult:
    """Return the result of a tool call that ended with an exception.

    Args:
        spec: The tool.
        error: The exception.
        arguments: The model's, unchecked.
    """
    if isinstance(error, NotFoundError) and _is_thread_id(arguments):
        return ToolResult.failure(
            ToolError(error.code, "There is no such email", next_step=_IS_THREAD)
        )
    is_refused = isinstance(error, InvalidResponseError) and (error.status_code or 0) >= 400
    if isinstance(error, InvalidResponseError) and not is_refused and not spec.hints.read_only:
        # The API accepted the request, and its response cannot be parsed.
        return ToolResult.failure(ToolError(error.code, error.message, next_step=UNKNOWN_OUTCOME))
    if isinstance(error, MultiMailError):
        return ToolResult.failure(ToolError.from_exception(error))
    if isinstance(error, pydantic.ValidationError):
        return ToolResult.failure(spec.explain_invalid(error))
    log.error("The tool %s failed unexpectedly.", spec.name, exc_info=error)
    return ToolResult.failure(
        ToolError(
            "internal",
            f"{spec.name} failed with an internal error ({type(error).__name__})",
            next_step="Do something else, or ask a person to look at the log.",
        )
    )


def _is_thread_id(arguments: Mapping[str, Any] | str) -> bool:
    email_id = arguments.get("email_id") if isinstance(arguments, Mapping) else None
    return isinstance(email_id, str) and email_id.strip().startswith("thr_")


def name_arguments(
    spec: ToolSpec, arguments: Mapping[str, Any] | str, result: ToolResult
) -> ToolResult:
    """Return the result, its error with the arguments that it is about and what can be left out."""
    error = result.error
    if error is None or error.about or result.decision is not None:
        return result
    given = arguments if isinstance(arguments, Mapping) else {}
    about = tuple(name for name in spec.args.model_fields if _is_about(error, name, given))
    hint = spec.explain_optional(about)
    step = " ".join(filter(None, [error.next_step, hint]))
    return ToolResult.failure(replace(error, next_step=step, about=about))


def _is_about(error: ToolError, name: str, given: Mapping[str, Any]) -> bool:
    if error.code == f"invalid_{name}" or error.message.startswith(f"{name}:"):
        return True
    value = given.get(name)
    return isinstance(value, str) and len(value) > 2 and value.strip() in error.message
