"""Wire models: what the API answers, read tolerantly.

The API's published description, its SDK and its pages spell some fields differently; each model
reads every spelling and shows one. Fields that are not listed here are kept (`model_extra`).
"""

from .account import (
    Account,
    Ack,
    ApiKey,
    AuditEntry,
    Contact,
    Domain,
    Health,
    NewApiKey,
    NewWebhook,
    Suppression,
    UpgradeRequest,
    Usage,
    Webhook,
    WebhookDelivery,
)
from .base import WireModel
from .mail import (
    Attachment,
    AttachmentContent,
    Cancellation,
    Decision,
    Email,
    EmailSummary,
    File,
    Mailbox,
    PendingEmail,
    SendResult,
    Tags,
    Thread,
)
from .paging import Page, list_of, page_of

__all__ = [
    "Account",
    "Ack",
    "ApiKey",
    "Attachment",
    "AttachmentContent",
    "AuditEntry",
    "Cancellation",
    "Contact",
    "Decision",
    "Domain",
    "Email",
    "EmailSummary",
    "File",
    "Health",
    "Mailbox",
    "NewApiKey",
    "NewWebhook",
    "Page",
    "PendingEmail",
    "SendResult",
    "Suppression",
    "Tags",
    "Thread",
    "UpgradeRequest",
    "Usage",
    "Webhook",
    "WebhookDelivery",
    "WireModel",
    "list_of",
    "page_of",
]
