"""Routes: webhook subscriptions, and the history of what was delivered to them."""

from __future__ import annotations

from ...errors import invalid
from ...store.records import DeliveryFilter, DeliveryStatus
from .. import render_webhooks as render
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes
from ..schemas.webhook_bodies import WebhookBody, WebhookChangeBody

routes = Routes()


@routes("GET", "/v1/webhooks", "admin")
def list_webhooks(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/webhooks."""
    rows = [
        render.webhook(hook) for hook in request.services.webhooks.list_webhooks(request.principal)
    ]
    return ApiResponse({"subscriptions": rows, "webhooks": rows})


@routes("POST", "/webhooks", "admin")
@routes("POST", "/v1/webhooks", "admin")
def create_webhook(request: ApiRequest) -> ApiResponse:
    """API and pages: POST /v1/webhooks, /webhooks; `signing_secret` is shown this once."""
    body = request.parse_body(WebhookBody)
    made = request.services.webhooks.create(
        request.principal,
        body.url,
        body.events,
        mailbox_id=body.mailbox_id,
        signature_format=body.signature_format,
    )
    return ApiResponse({**render.webhook(made), "signing_secret": made.signing_secret}, 201)


@routes("GET", "/v1/webhooks/{webhook}", "admin")
def get_webhook(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/webhooks/{id}."""
    return ApiResponse(
        render.webhook(request.services.webhooks.get(request.principal, request.path["webhook"]))
    )


@routes("PATCH", "/v1/webhooks/{webhook}", "admin")
def change_webhook(request: ApiRequest) -> ApiResponse:
    """Enable or disable a subscription; an addition of this server."""
    enabled = request.parse_body(WebhookChangeBody).enabled
    changed = request.services.webhooks.enable(
        request.principal, request.path["webhook"], enabled=enabled
    )
    return ApiResponse(render.webhook(changed))


@routes("DELETE", "/v1/webhooks/{webhook}", "admin")
def delete_webhook(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/webhooks/{id}."""
    gone = request.services.webhooks.delete(request.principal, request.path["webhook"])
    return ApiResponse({"id": gone.id, "status": "deleted"})


@routes("GET", "/v1/webhook-deliveries", "admin")
def list_deliveries(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/webhook-deliveries, newest first; `status` and `webhook_id` filter."""
    limit = request.query_int("limit", 100, 1, 100)
    where = DeliveryFilter(
        account_id=request.principal.account_id,
        limit=limit,
        status=_status(request),
        webhook_id=request.query_str("webhook_id", 100),
        before_id=request.cursor(),
    )
    found = request.services.webhooks.list_deliveries(request.principal, where)
    rows = [render.delivery(row) for row in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"deliveries": rows, "cursor": cursor})


@routes("POST", "/v1/webhook-deliveries/{delivery}/replay", "admin")
def replay_delivery(request: ApiRequest) -> ApiResponse:
    """Deliver once more, with the same id and body; an addition of this server."""
    return ApiResponse(
        render.delivery(
            request.services.webhooks.replay(request.principal, request.path["delivery"])
        ),
        202,
    )


def _status(request: ApiRequest) -> DeliveryStatus | None:
    value = request.query_str("status")
    if value is None:
        return None
    if value not in set(DeliveryStatus):
        raise invalid(f"`status` is none of {', '.join(DeliveryStatus)}.")
    return DeliveryStatus(value)
