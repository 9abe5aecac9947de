"""What a revision changed, in lines for the person who decides; and the guard's reasons since."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from multimail.trust.labels import Label

from ..mail.body import parse_tree
from ..mail.message import list_files
from ..store.records import Attachment, Content, Message, Revision

_MAX_LINES = 200
_MAX_COMPARED = 2000
"""Lines of a text that are compared."""
_MAX_METADATA = 2000
_LABELS = list(map(str, Label))
_GUARD = "guard_"
_WORST = ("guard_label", "guard_taint")


def list_changes(
    revisions: Sequence[Revision],
    message: Message,
    content: Content,
    files: Iterable[Attachment],
) -> tuple[str, ...]:
    """Return what the latest revision changed; nothing for a message that was never revised.

    Args:
        revisions: The earlier ones, oldest first.
        message: The message now.
        content: Its text now.
        files: Its attachments now.

    Returns:
        A line for the subject, each recipient and each file; then the lines of the text that were
        removed, after `- `, and added, after `+ `.
    """
    if not revisions:
        return ()
    before = revisions[-1]
    lines = [*_compare_header(before, message), *_compare_files(before, files)]
    return tuple([*lines, *_compare_text(before.markdown, content.markdown)][:_MAX_LINES])


def _compare_header(before: Revision, message: Message) -> Iterator[str]:
    if before.subject != message.subject:
        yield f"Subject before: {before.subject}"
    yield from _compare_names("Recipient", before.recipients, message.recipients)


def _compare_files(before: Revision, files: Iterable[Attachment]) -> Iterator[str]:
    old = [part.file_name() for part in list_files(parse_tree(before.raw))]
    new = [file.name for file in files]
    yield from _compare_names("File", old, new)


def _compare_names(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    yield from (f"{what} added: {name}" for name in new if name not in old)
    yield from (f"{what} removed: {name}" for name in old if name not in new)


def _compare_text(before: str, after: str) -> Iterator[str]:
    # Not ndiff, which also compares the letters of all lines: its time grows with the cube of them.
    old, new = before.splitlines()[:_MAX_COMPARED], after.splitlines()[:_MAX_COMPARED]
    blocks = difflib.SequenceMatcher(None, old, new).get_opcodes()
    for _, old_start, old_end, new_start, new_end in (
        block for block in blocks if block[0] != "equal"
    ):
        yield from (f"- {line}" for line in old[old_start:old_end])
        yield from (f"+ {line}" for line in new[new_start:new_end])


def merge_metadata(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a revised message: what the guard said before stays.

    Args:
        before: Of the message.
        after: What came with the revision.
    """
    own = {name: value for name, value in after.items() if not name.startswith(_GUARD)}
    new = {name: value for name, value in after.items() if name.startswith(_GUARD)}
    merged = {**new, **before, **own}
    for name in _WORST:
        labels = [str(source[name]) for source in (before, after) if name in source]
        if labels:
            merged[name] = max(labels, key=_rank)
    reasons = [
        reason
        for source in (before, after)
        for reason in str(source.get("guard_reasons") or "").split("; ")
        if reason
    ]
    if reasons:
        merged["guard_reasons"] = "; ".join(dict.fromkeys(reasons))[:_MAX_METADATA]
    return merged


def _rank(label: str) -> int:
    if label == Label.OWN:
        return -1
    return _LABELS.index(label) if label in _LABELS else len(_LABELS)
