"""The context of a tool call: its conversation, its guard, its mailbox."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .. import endpoints as api
from .._execution import MailboxCache
from ..errors import PermissionDeniedError
from ..models import Mailbox
from ._enclosures import FileRegistry
from ._guard import Guard
from ._seen import SeenContent
from ._spec import Steps


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What an operation knows of the conversation that it runs in.

    Attributes:
        session_id: The conversation.
        guard: Assesses messages and decides on writes.
        max_chars: The most characters of the result's text.
        origin: What an equal message counts as a repeat in: the conversation, or where that is the
            whole process, the toolkit.
        pinned: The only mailbox that it may use, by address or id; None for any of the key's.
        mailbox_cache: The client's cache of mailboxes.
        seen: What was shown of pending messages.
        approver_key_checked: Set once the key was checked for an approver's tools.
        files: The files that app code registered.
    """

    session_id: str
    guard: Guard
    max_chars: int
    pinned: str | None = None
    origin: str = ""
    mailbox_cache: MailboxCache = field(default_factory=MailboxCache)
    seen: SeenContent = field(default_factory=SeenContent)
    approver_key_checked: threading.Event = field(default_factory=threading.Event)
    files: FileRegistry = field(default_factory=FileRegistry)

    def mailbox(self, wanted: str | None, *, fresh: bool = False) -> Steps[Mailbox]:
        """Return the mailbox to use.

        Args:
            wanted: The address or id that the model passed; None for the default.
            fresh: Ask the API even where the mailbox is cached, for its current mode.

        Raises:
            PermissionDeniedError: The session is pinned to another mailbox.
            NotFoundError: The key has no such mailbox.
            ConfigurationError: There are several and none was chosen.
        """
        mailbox = None if fresh else self.mailbox_cache.find(wanted or self.pinned)
        if mailbox is None:
            self.mailbox_cache.update((yield from api.list_mailboxes()))
            mailbox = self.mailbox_cache.find(wanted or self.pinned)
        if mailbox is None:
            raise self.mailbox_cache.not_found_error(wanted or self.pinned)
        if self.pinned and self.pinned.casefold() not in (
            mailbox.id.casefold(),
            mailbox.address.casefold(),
        ):
            raise PermissionDeniedError(
                f"These tools work on the mailbox {self.pinned} only, not on {wanted}.",
                code="other_mailbox",
                remedy="Leave the mailbox out.",
            )
        return mailbox
