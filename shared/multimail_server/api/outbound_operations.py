"""Operations of outbound mail and webhooks. See `operations`."""

from __future__ import annotations

from ..store.records import DeliveryStatus
from .operation_shapes import CONFLICT, MISSING, PAGE, Operation, one_of, text
from .schemas import domains as oa
from .schemas import webhooks as wa
from .schemas.messages import GoneAnswer
from .schemas.oversight import CodeFirstAnswer
from .schemas.requests import DomainBody
from .schemas.webhook_bodies import WebhookBody, WebhookChangeBody

_FORM = "application/x-www-form-urlencoded"

_SUBSCRIBE = Operation(
    {201: wa.NewWebhookAnswer, 202: CodeFirstAnswer}, WebhookBody, errors=MISSING + CONFLICT
)

OUTBOUND: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/webhooks"): Operation({200: wa.WebhooksAnswer}),
    ("POST", "/v1/webhooks"): _SUBSCRIBE,
    ("POST", "/webhooks"): _SUBSCRIBE,
    ("GET", "/v1/webhooks/{webhook}"): Operation({200: wa.WebhookAnswer}),
    ("PATCH", "/v1/webhooks/{webhook}"): Operation({200: wa.WebhookAnswer}, WebhookChangeBody),
    ("DELETE", "/v1/webhooks/{webhook}"): Operation({200: GoneAnswer}),
    ("GET", "/v1/webhook-deliveries"): Operation(
        {200: wa.WebhookDeliveriesAnswer},
        query=(*PAGE, one_of("status", *DeliveryStatus), text("webhook_id", longest=100)),
    ),
    ("POST", "/v1/webhook-deliveries/{delivery}/replay"): Operation(
        {202: wa.WebhookDeliveryAnswer}, errors=CONFLICT
    ),
    ("GET", "/v1/domains"): Operation({200: oa.DomainsAnswer}),
    ("POST", "/v1/domains"): Operation({201: oa.DomainAnswer}, DomainBody, errors=CONFLICT),
    ("GET", "/v1/domains/{domain}"): Operation({200: oa.DomainAnswer}),
    ("POST", "/v1/domains/{domain}/verify"): Operation({200: oa.DomainAnswer}),
    ("DELETE", "/v1/domains/{domain}"): Operation({200: GoneAnswer}, errors=CONFLICT),
    ("GET", "/.well-known/multimail-signing-key"): Operation({200: oa.SigningKeyAnswer}),
    ("GET", "/v1/suppression"): Operation({200: oa.SuppressionsAnswer}, query=PAGE),
    ("DELETE", "/v1/suppression/{address}"): Operation({200: oa.ReleasedAnswer}),
    ("GET", "/v1/unsubscribe/{token}"): Operation({200: "text/html"}, html=True),
    ("POST", "/v1/unsubscribe/{token}"): Operation(
        {200: "text/html"}, forms={_FORM: oa.UnsubscribeForm}, html=True
    ),
}
