"""Routes of webhook endpoints and their deliveries."""

from __future__ import annotations

from ...store.records import DeliveryFilter, DeliveryStatus
from ..routing import (
    CURSOR,
    LIMIT,
    ApiRequest,
    ApiResponse,
    Router,
    next_cursor,
    query_enum,
    query_str,
)
from ..schemas.base import DeletedOut, render_deleted
from ..schemas.webhooks import (
    NewWebhookOut,
    WebhookChangeIn,
    WebhookDeliveriesOut,
    WebhookDeliveryOut,
    WebhookIn,
    WebhookOut,
    WebhooksOut,
    render_delivery,
    render_new_webhook,
    render_webhook,
)

route = Router("Account")

_STATUS = query_enum("status", tuple(DeliveryStatus))
_WEBHOOK_ID = query_str("webhook_id", max_length=100)


@route(
    "GET", "/v1/webhooks", scopes=("admin",), responses={200: WebhooksOut},
    client=("list_webhooks",), source="S",
    note="S answers `subscriptions`, K reads `webhooks`: both",
)  # fmt: skip
def list_webhooks(request: ApiRequest) -> ApiResponse:
    """List the webhook endpoints."""
    rows = [
        render_webhook(webhook)
        for webhook in request.services.webhooks.list_webhooks(request.principal)
    ]
    response: WebhooksOut = {"subscriptions": rows, "webhooks": rows}
    return ApiResponse(response)


@route(
    "POST", "/v1/webhooks", scopes=("admin",), body=WebhookIn, responses={201: NewWebhookOut},
    errors=(404, 409), approval_code=True, client=("create_webhook",), source="S",
    note="P and M name events differently: both are taken, and emitted as subscribed; P shows the "
    "signature as `sha256=hex` and as bare hex: `signature_format` (E) says which",
)  # fmt: skip
def create_webhook(request: ApiRequest, body: WebhookIn) -> ApiResponse:
    """Subscribe to events; only this response has the `signing_secret`."""
    created = request.services.webhooks.create(
        request.principal,
        body.url,
        body.events,
        mailbox_id=body.mailbox_id,
        signature_format=body.signature_format,
    )
    return ApiResponse(render_new_webhook(created), 201)


@route(
    "GET", "/v1/webhooks/{webhook}", scopes=("admin",), responses={200: WebhookOut},
    client=("get_webhook",), source="S", note="`status` is E",
)  # fmt: skip
def get_webhook(request: ApiRequest) -> ApiResponse:
    """Return a webhook endpoint."""
    webhook = request.services.webhooks.get(request.principal, request.path_params["webhook"])
    return ApiResponse(render_webhook(webhook))


@route(
    "PATCH", "/v1/webhooks/{webhook}", scopes=("admin",), body=WebhookChangeIn,
    responses={200: WebhookOut},
)  # fmt: skip
def update_webhook(request: ApiRequest, body: WebhookChangeIn) -> ApiResponse:
    """Enable or disable a webhook endpoint."""
    changed = request.services.webhooks.enable(
        request.principal, request.path_params["webhook"], enabled=body.enabled
    )
    return ApiResponse(render_webhook(changed))


@route(
    "DELETE", "/v1/webhooks/{webhook}", scopes=("admin",), responses={200: DeletedOut},
    client=("delete_webhook",), source="S",
)  # fmt: skip
def delete_webhook(request: ApiRequest) -> ApiResponse:
    """Delete a webhook endpoint."""
    deleted = request.services.webhooks.delete(request.principal, request.path_params["webhook"])
    return ApiResponse(render_deleted(deleted.id))


@route(
    "GET", "/v1/webhook-deliveries", scopes=("admin",),
    query=(LIMIT, CURSOR, _STATUS, _WEBHOOK_ID), responses={200: WebhookDeliveriesOut},
    client=("list_webhook_deliveries",), source="S",
)  # fmt: skip
def list_deliveries(request: ApiRequest) -> ApiResponse:
    """List webhook deliveries, newest first."""
    limit = request.query(LIMIT)
    status = request.query(_STATUS)
    where = DeliveryFilter(
        account_id=request.principal.account_id,
        limit=limit,
        status=DeliveryStatus(status) if status else None,
        webhook_id=request.query(_WEBHOOK_ID),
        before_id=request.query(CURSOR),
    )
    deliveries = request.services.webhooks.list_deliveries(request.principal, where)
    response: WebhookDeliveriesOut = {
        "deliveries": [render_delivery(delivery) for delivery in deliveries[:limit]],
        "cursor": next_cursor(deliveries, limit),
    }
    return ApiResponse(response)


@route(
    "POST", "/v1/webhook-deliveries/{delivery}/replay", scopes=("admin",),
    responses={202: WebhookDeliveryOut}, errors=(409,),
)  # fmt: skip
def replay_delivery(request: ApiRequest) -> ApiResponse:
    """Deliver an event once more, with the same id and body."""
    delivery = request.services.webhooks.replay(request.principal, request.path_params["delivery"])
    return ApiResponse(render_delivery(delivery), 202)
