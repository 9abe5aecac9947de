-- Webhook subscriptions, and the deliveries that are made for them.

CREATE TABLE webhooks (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    url $text NOT NULL,
    events $json NOT NULL,
    signing_secret $text NOT NULL,
    signature_format $text NOT NULL,
    source $text NOT NULL,
    created_at $timestamp NOT NULL,
    mailbox_id $text REFERENCES mailboxes(id),
    last_success_at $timestamp,
    disabled_at $timestamp,
    disabled_reason $text,
    deleted_at $timestamp
) $strict;
CREATE INDEX webhook_account ON webhooks(account_id, id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_deliveries (
    id $text PRIMARY KEY,
    webhook_id $text NOT NULL REFERENCES webhooks(id),
    account_id $text NOT NULL REFERENCES accounts(id),
    mailbox_id $text NOT NULL,
    message_id $text NOT NULL,
    event $text NOT NULL,
    status $text NOT NULL,
    created_at $timestamp NOT NULL,
    due_at $timestamp,
    attempts $integer NOT NULL,
    last_attempt_at $timestamp,
    delivered_at $timestamp,
    response_status $integer,
    error $text
) $strict;
CREATE INDEX webhook_delivery_due ON webhook_deliveries(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_turn ON webhook_deliveries(webhook_id, due_at, id)
    WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_newest ON webhook_deliveries(account_id, id DESC);
CREATE INDEX webhook_delivery_status ON webhook_deliveries(account_id, status, id DESC);
CREATE INDEX webhook_delivery_message ON webhook_deliveries(message_id);
CREATE INDEX webhook_delivery_over ON webhook_deliveries(created_at) WHERE due_at IS NULL;

CREATE TABLE webhook_bodies (
    delivery_id $text PRIMARY KEY REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
    body $bytes NOT NULL
) $strict;
