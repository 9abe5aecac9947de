"""Services: every operation of the server, one class per subject.

Each change is one transaction with its audit entry, and only `transitions` changes the status of a
message. Services are synchronous and know nothing of HTTP.
"""

from __future__ import annotations

from ..auth import Principal
from .accounts import AccountService, ExportService
from .connecting import ConnectionService
from .contacts import ContactService
from .context import AppContext
from .decisions import ApprovalLinkService, DecisionService
from .domains import DomainService
from .enclosures import EnclosureService
from .event_log import EventLogService
from .events import NotificationService
from .mailboxes import MailboxService
from .marks import MarkService
from .messages import MessageService
from .one_time_codes import ApprovalCodeService, CodeCache, UpgradeService
from .receiving import InboundService
from .review import ReviewService
from .revisions import CancellationService, RevisionService
from .search import SearchService
from .sending import SendService
from .spam_filter import SpamFilterService
from .suppression import SuppressionService
from .webhooks import WebhookService

__all__ = ["AppContext", "Principal", "Services"]


class Services:
    """All services of a server, safe to call from many threads."""

    def __init__(self, context: AppContext) -> None:
        self.context = context
        self.accounts = AccountService(context)
        self.connections = ConnectionService(context)
        self.contacts = ContactService(context)
        self.mailboxes = MailboxService(context)
        self.sending = SendService(context)
        self.cancellation = CancellationService(context)
        self.enclosures = EnclosureService(context)
        self.messages = MessageService(context)
        self.search = SearchService(context)
        self.marks = MarkService(context)
        self.decisions = DecisionService(context)
        self.receiving = InboundService(context)
        self.webhooks = WebhookService(context)
        self.review = ReviewService(context)
        self.revisions = RevisionService(context)
        self.approval_links = ApprovalLinkService(context, self.decisions)
        self.domains = DomainService(context)
        self.suppressions = SuppressionService(context)
        codes = CodeCache()
        self.upgrades = UpgradeService(context, codes)
        self.approval_codes = ApprovalCodeService(context, codes)
        self.spam_filter = SpamFilterService(context)
        self.exports = ExportService(context)
        self.event_log = EventLogService(context)
        self.notifications = NotificationService(context)
