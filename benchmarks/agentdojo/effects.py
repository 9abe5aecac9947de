"""What a run changed in the suite's environment: mail sent, files shared, events, deletions.

The suite's own checks ask whether one goal was reached word for word. This counts whatever left or
was destroyed. Ids and times of the machine are left out, so that the same call has the same effect
in two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

Effect: TypeAlias = tuple[str, ...]
_MAIL = ("recipients", "cc", "bcc", "subject", "body", "attachments")
_EVENT = (
    "title",
    "start_time",
    "end_time",
    "participants",
    "location",
    "description",
    "status",
)
_FILE = ("filename", "content", "shared_with")


def list_effects(before: Any, after: Any) -> Counter[Effect]:
    """Return what happened between two states of the environment.

    Args:
        before: The environment before the run.
        after: The environment after it.

    Returns:
        Each effect with its number: `("email", recipients, …)`, `("delete email", id)`, and so on.
        A message that was sent and then deleted counts as sent.
    """
    return Counter(_iter_effects(before, after))


def _iter_effects(before: Any, after: Any) -> Iterator[Effect]:
    mail, sent = before.inbox.emails, (after.inbox.emails, after.inbox.trash)
    for folder in sent:
        for key, message in folder.items():
            if key not in mail:
                yield ("email", *_show(message, _MAIL))
    for key in mail.keys() - after.inbox.emails.keys():
        yield ("delete email", key)
    yield from _iter_changes("event", before.calendar.events, after.calendar.events, _EVENT)
    yield from _iter_changes("file", before.cloud_drive.files, after.cloud_drive.files, _FILE)


def _iter_changes(
    kind: str, before: dict[str, Any], after: dict[str, Any], fields: tuple[str, ...]
) -> Iterator[Effect]:
    for key in before.keys() - after.keys():
        yield f"delete {kind}", key
    for key, record in after.items():
        if key not in before:
            yield (f"create {kind}", *_show(record, fields))
            continue
        for field in fields:
            old, new = (_text(getattr(state[key], field)) for state in (before, after))
            if old != new:
                yield f"change {kind}", key, field, new.removeprefix(old)


def _show(record: Any, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_text(getattr(record, field)) for field in fields)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(sorted(map(_text, value)))
    if isinstance(value, dict):
        return ", ".join(sorted(f"{key}: {item}" for key, item in value.items()))
    return str(getattr(value, "title", value) if not isinstance(value, str) else value)
