"""The mailroom: every operation on mail and mailboxes, through the oversight table.

Each room is one class; `Mailroom` is the building. Whatever changes something is one transaction
with its audit row, and only `steps.advance` changes the status of a message.
"""

from __future__ import annotations

from .accounts import Accounts
from .approval_links import ApprovalLinks
from .change_codes import ChangeCodes
from .codes import CodeBook
from .contacts import Contacts
from .deciding import Deciding
from .desk import Desk, Principal
from .domains import Domains
from .editing import Editing
from .exporting import Exporting
from .mailboxes import Mailboxes
from .notices import Notices
from .reading import Reading
from .receiving import Receiving
from .rehearsing import Rehearsing
from .reviewing import Reviewing
from .revising import Revising
from .sending import Sending
from .sorting import Sorting
from .suppression import Suppressing
from .trail import Trail
from .upgrades import Upgrades
from .webhooks import Webhooks
from .withdrawing import Withdrawing

__all__ = ["Desk", "Mailroom", "Principal"]


class Mailroom:
    """All operations. Synchronous, and safe to call from many threads."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.accounts = Accounts(desk)
        self.contacts = Contacts(desk)
        self.mailboxes = Mailboxes(desk)
        self.sending = Sending(desk)
        self.withdrawing = Withdrawing(desk)
        self.editing = Editing(desk)
        self.reading = Reading(desk)
        self.deciding = Deciding(desk)
        self.receiving = Receiving(desk)
        self.webhooks = Webhooks(desk)
        self.reviewing = Reviewing(desk)
        self.revising = Revising(desk)
        self.approval_links = ApprovalLinks(desk, self.deciding)
        self.rehearsing = Rehearsing(desk)
        self.domains = Domains(desk)
        self.suppressing = Suppressing(desk)
        codes = CodeBook()
        self.upgrades = Upgrades(desk, codes)
        self.change_codes = ChangeCodes(desk, codes)
        self.sorting = Sorting(desk)
        self.exporting = Exporting(desk)
        self.notices = Notices(desk)
        self.trail = Trail(desk)
