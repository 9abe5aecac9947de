"""Files that an agent may send: those that app code registered, and those of this mailbox's mail.

A model names a file by its handle, and never by a path or a URL: what an attacker can make it name
is a file that the operator or a sender put here, with its provenance.
"""

from __future__ import annotations

import logging
import mimetypes
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

from .. import endpoints as api
from ..errors import ConfigurationError, NotFoundError, ValidationError
from ..models import Attachment, Enclosure, File, Mailbox
from ..trust import OWN, EnclosedFile
from ..trust.addresses import normalize_address
from ._guard import LEFT_STATUSES, Guard
from ._message_facts import get_header_addresses, list_vouched
from ._spec import Steps

log = logging.getLogger("multimail")

MAX_FILE_BYTES = 20 * 1024 * 1024
"""The most bytes of a file that the API sends."""
MAX_HELD_BYTES = 256 * 1024 * 1024
"""The most bytes of files that a toolkit keeps; beyond it forgets the oldest."""
_MAX_HELD = 10_000
_PREFIX = "file_"
_ID = re.compile(rf"(?!{_PREFIX})[A-Za-z0-9_-]{{1,100}}")
_REMEDY = (
    "Give the id of an attachment (att_…), which read_email shows, or a handle that the application"
    " gave you; a path or a URL is neither."
)


class FileRegistry:
    """The files that app code lets an agent send, by handle: the latest 256 MB of them."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[File, str | None]] = {}

    def register(
        self, source: str | PathLike[str] | bytes, name: str | None, session_id: str | None
    ) -> str:
        """Read a file now and return its handle.

        Args:
            source: A path, or the bytes of the file.
            name: The name that its recipients see; default that of the path.
            session_id: The only conversation that may send it; None for any.

        Returns:
            The handle, `file_` and 16 digits.

        Raises:
            ConfigurationError: It cannot be read, has no name, or is larger than 20 MB.
        """
        if not isinstance(source, str | PathLike | bytes):
            raise ConfigurationError(
                f"register_file takes a path or bytes, not a {type(source).__name__}."
            )
        shown = name or ("" if isinstance(source, bytes) else Path(source).name)
        if not shown or "/" in shown or "\\" in shown or not shown.isprintable():
            raise ConfigurationError(
                f"register_file: {shown!r:.80} is not a file name.",
                remedy="Pass name='report.pdf'.",
            )
        content = source if isinstance(source, bytes) else _read(Path(source))
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(f"register_file: {shown} is larger than 20 MB.")
        handle = f"{_PREFIX}{secrets.token_hex(8)}"
        kind = mimetypes.guess_type(shown)[0] or "application/octet-stream"
        file = File(name=shown, content_type=kind, content=content)
        self._files[handle] = (file, session_id)
        self._forget_oldest(handle)
        return handle

    def _forget_oldest(self, handle: str) -> None:
        held = list(self._files.items())
        size = sum(len(file.content) for _, (file, _) in held)
        for oldest, (file, _) in held:
            if (size <= MAX_HELD_BYTES and len(self._files) <= _MAX_HELD) or oldest == handle:
                return
            log.warning("The file %s is forgotten: register_file keeps 256 MB.", file.name)
            size -= len(file.content)
            self._files.pop(oldest, None)

    def get(self, handle: str, session_id: str) -> File | None:
        """Return a file that this conversation may send, or None."""
        file, owner = self._files.get(handle, (None, None))
        return file if owner in (None, session_id) else None

    def forget(self, session_id: str) -> None:
        """Forget the files of one conversation."""
        for handle, (_, owner) in list(self._files.items()):
            if owner == session_id:
                self._files.pop(handle, None)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)  # so much says that it is too large
    except OSError as error:
        raise ConfigurationError(
            f"register_file: {path.name!r:.80} cannot be read ({error.strerror}).",
            remedy="Pass the path of a file, or its content as bytes with name='report.pdf'.",
        ) from None


@dataclass(frozen=True, slots=True)
class Selected:
    """The files of one message.

    Attributes:
        sources: As the client sends them.
        digests: Of each, its name and its SHA-256, for the idempotency key.
        enclosed: What the guard has to know of those that came with mail.
    """

    sources: tuple[File | Attachment, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    enclosed: tuple[EnclosedFile, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the recipients see."""
        return tuple(name for name, _ in self.digests)

    @property
    def key_parts(self) -> tuple[Any, ...]:
        """What they add to an idempotency key; nothing without a file."""
        return (self.digests,) if self.digests else ()


def select_files(
    handles: Iterable[str] | None,
    registry: FileRegistry,
    guard: Guard,
    mailbox: Mailbox,
) -> Steps[Selected]:
    """Return the files that a model named by their handles.

    Args:
        handles: Of the tool call; None for no files.
        registry: What app code registered.
        guard: Of the conversation.
        mailbox: The mailbox that sends; only files of its mail can be named.

    Raises:
        ValidationError: One of them is no handle of a file (`no_such_file`).
    """
    sources: list[File | Attachment] = []
    digests: list[tuple[str, str]] = []
    enclosed: list[EnclosedFile] = []
    for handle in dict.fromkeys(handles or ()):
        file = registry.get(handle, guard.session_id)
        if file is not None:
            sources.append(file)
            digests.append((file.name, sha256(file.content).hexdigest()))
            continue
        stored = yield from _find_stored(handle, mailbox)
        sources.append(Attachment(id=stored.id))
        digests.append((stored.name, stored.sha256 or stored.id or ""))
        enclosed.append(describe_file(stored, guard, mailbox))
    return Selected(tuple(sources), tuple(digests), tuple(enclosed))


def describe_file(stored: Enclosure, guard: Guard, mailbox: Mailbox) -> EnclosedFile:
    """Return whose file a stored one is, and who has it.

    Args:
        stored: The file with its message.
        guard: Of the conversation.
        mailbox: The mailbox that it belongs to.
    """
    message = stored.email
    holders = {normalize_address(mailbox.address)}
    if message.direction != "outbound":
        assessment = guard.assess(message)
        if assessment.is_certain:
            holders |= list_vouched(message, assessment, guard.policy.public_providers)
    else:
        origin = stored.origin
        assessment = OWN
        if origin is not None:
            assessment = guard.policy.assess(origin.authentication, origin.sender)
            if assessment.is_certain:
                holders.add(normalize_address(origin.sender))
        if message.status in LEFT_STATUSES:
            holders |= get_header_addresses(message)
    return EnclosedFile(message.id, assessment, frozenset(holders))


def _find_stored(handle: str, mailbox: Mailbox) -> Steps[Enclosure]:
    if not _ID.fullmatch(handle):
        raise _no_such_file(handle)
    try:
        stored: Enclosure = yield from api.get_attachment(handle, mailbox=mailbox.id)
    except NotFoundError:
        raise _no_such_file(handle) from None
    return stored


def _no_such_file(handle: str) -> ValidationError:
    problem = f"{handle!r:.80} is not a file that can be sent from this mailbox."
    return ValidationError(problem, code="no_such_file", remedy=_REMEDY)
