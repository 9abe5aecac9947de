"""The store's verbs for one-time codes, notices, retention and the export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from .authority_records import Notice, OneTimeCode, Purpose
from .records import Mailbox, Message


class AuthorityReader(Protocol):
    """Verbs that change nothing."""

    def codes(
        self, account_id: str, purpose: Purpose, mailbox_id: str | None, since: datetime
    ) -> list[OneTimeCode]:
        """Return the codes made after `since`, oldest first; of one mailbox where it is given."""
        ...

    def notifications(
        self, account_id: str, mailbox_id: str | None, before_id: str | None, limit: int
    ) -> list[Notice]: ...
    def notices_due(self, now: datetime, limit: int) -> list[Notice]: ...
    def next_notice_due(self) -> datetime | None: ...

    def retaining(self) -> list[Mailbox]:
        """Return every mailbox with the setting `retention_days`, retired ones too."""
        ...

    def oldest_message(self, mailbox_id: str, not_in: Sequence[str]) -> Message | None: ...
    def older_messages(
        self, mailbox_id: str, not_in: Sequence[str], until: datetime, limit: int
    ) -> list[Message]: ...

    def messages_after(self, account_id: str, after_id: str, limit: int) -> list[Message]:
        """Return an account's messages, oldest first."""
        ...


class AuthorityTx(Protocol):
    """Verbs of one transaction that changes things."""

    def put_code(self, code: OneTimeCode) -> None: ...
    def put_notice(self, notice: Notice) -> None: ...
    def erase_content(self, message_id: str) -> None:
        """Remove the text, the raw bytes, the files and the labels of a message."""
        ...
