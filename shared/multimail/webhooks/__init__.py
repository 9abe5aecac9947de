"""Webhooks: verify that a request comes from the API, and parse its event.

    from multimail.webhooks import MessageReceived, WebhookError, verify

    event = verify(raw_body, request.headers, os.environ["MULTIMAIL_WEBHOOK_SECRET"])
    if isinstance(event, MessageReceived):
        email = client.read_email(event.message_id)

A signature proves who posted the event, not who wrote the mail: read the message by its id and ask
`multimail.trust.TrustPolicy.admit` about it.
"""

from ._events import (
    EVENT_TYPES,
    Event,
    MessageBounced,
    MessageComplained,
    MessageDelivered,
    MessageReceived,
    MessageSent,
    OversightApproved,
    OversightPending,
    OversightRejected,
    ThreadMerged,
    UnknownEvent,
)
from ._seen import MemorySeenStore, RedisSeenStore, SeenStore, SqliteSeenStore
from ._verification import WebhookError, verify

__all__ = [
    "EVENT_TYPES",
    "Event",
    "MemorySeenStore",
    "MessageBounced",
    "MessageComplained",
    "MessageDelivered",
    "MessageReceived",
    "MessageSent",
    "OversightApproved",
    "OversightPending",
    "OversightRejected",
    "RedisSeenStore",
    "SeenStore",
    "SqliteSeenStore",
    "ThreadMerged",
    "UnknownEvent",
    "WebhookError",
    "verify",
]
