-- Accounts, mailboxes, API keys, messages with their content, the outbox and the audit log.

CREATE TABLE settings (name $text PRIMARY KEY, value $text NOT NULL) $strict;

CREATE TABLE accounts (
    id $text PRIMARY KEY,
    name $text NOT NULL,
    created_at $timestamp NOT NULL,
    deleted_at $timestamp
) $strict;

CREATE TABLE mailboxes (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    address $text NOT NULL,
    display_name $text NOT NULL,
    oversight_mode $text NOT NULL,
    created_at $timestamp NOT NULL,
    settings $json NOT NULL,
    deleted_at $timestamp
) $strict;
CREATE UNIQUE INDEX mailbox_address ON mailboxes(address) WHERE deleted_at IS NULL;

CREATE TABLE keys (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    name $text NOT NULL,
    prefix $text NOT NULL,
    sha256 $text NOT NULL UNIQUE,
    scopes $json NOT NULL,
    live $boolean NOT NULL,
    created_at $timestamp NOT NULL,
    mailbox_id $text REFERENCES mailboxes(id),
    revoked_at $timestamp
) $strict;

CREATE TABLE messages (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    thread_id $text NOT NULL,
    direction $text NOT NULL,
    status $text NOT NULL,
    mode $text NOT NULL,
    created_at $timestamp NOT NULL,
    from_address $text NOT NULL,
    from_name $text NOT NULL,
    "to" $json NOT NULL,
    cc $json NOT NULL,
    bcc $json NOT NULL,
    reply_to $json NOT NULL,
    subject $text NOT NULL,
    has_attachments $boolean NOT NULL,
    mail_from $text NOT NULL,
    recipients $json NOT NULL,
    size $integer NOT NULL,
    raw_sha256 $text NOT NULL,
    rfc_message_id $text,
    in_reply_to $text,
    refs $json NOT NULL,
    live $boolean NOT NULL,
    composer_key_id $text REFERENCES keys(id),
    fingerprint $text,
    replies_to_id $text REFERENCES messages(id),
    content_hash $text,
    expires_at $timestamp,
    send_at $timestamp,
    decided_at $timestamp,
    decided_by $text REFERENCES keys(id),
    decision $text,
    decision_reason $text,
    delivered_at $timestamp,
    bounced_at $timestamp,
    bounce_type $text,
    bounce_code $integer,
    bounce_reason $text,
    spam_score $real,
    spam_verdict $text,
    auto_submitted $text,
    list_id $text,
    precedence $text,
    authentication $json NOT NULL,
    metadata $json NOT NULL,
    delivery $json NOT NULL
) $strict;
CREATE INDEX message_newest ON messages(mailbox_id, id DESC);
CREATE INDEX message_status ON messages(mailbox_id, status, id DESC);
CREATE INDEX message_direction ON messages(mailbox_id, direction, id DESC);
CREATE INDEX message_thread ON messages(mailbox_id, thread_id, id);
CREATE INDEX message_rfc_id ON messages(mailbox_id, rfc_message_id)
    WHERE rfc_message_id IS NOT NULL;
CREATE INDEX message_raw ON messages(mailbox_id, raw_sha256);
CREATE INDEX message_fingerprint ON messages(mailbox_id, fingerprint)
    WHERE fingerprint IS NOT NULL;
CREATE INDEX message_usage ON messages(account_id, created_at, direction);
CREATE INDEX message_held ON messages(account_id, id)
    WHERE status IN ('pending_send_approval', 'pending_inbound_approval');
CREATE INDEX message_expiry ON messages(expires_at)
    WHERE status = 'pending_send_approval';

CREATE TABLE contents (
    message_id $text PRIMARY KEY REFERENCES messages(id),
    markdown $text NOT NULL,
    raw $bytes NOT NULL
) $strict;

CREATE TABLE attachments (
    id $text PRIMARY KEY,
    message_id $text NOT NULL REFERENCES messages(id),
    position $integer NOT NULL,
    name $text NOT NULL,
    content_type $text NOT NULL,
    size $integer NOT NULL,
    sha256 $text NOT NULL,
    content_id $text
) $strict;
CREATE INDEX attachment_message ON attachments(message_id, position);

CREATE TABLE attachment_contents (
    attachment_id $text PRIMARY KEY REFERENCES attachments(id),
    content $bytes NOT NULL
) $strict;

CREATE TABLE tags (
    message_id $text NOT NULL REFERENCES messages(id),
    name $text NOT NULL,
    value $text NOT NULL,
    PRIMARY KEY (message_id, name)
) $clustered;

CREATE TABLE contacts (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    email $text NOT NULL,
    name $text,
    tags $json NOT NULL,
    created_at $timestamp NOT NULL,
    UNIQUE (account_id, email)
) $strict;

CREATE TABLE idempotency (
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    idempotency_key $text NOT NULL,
    fingerprint $text NOT NULL,
    message_id $text NOT NULL REFERENCES messages(id),
    created_at $timestamp NOT NULL,
    PRIMARY KEY (mailbox_id, idempotency_key)
) $clustered;
CREATE INDEX idempotency_age ON idempotency(created_at);

CREATE TABLE outbox (
    message_id $text PRIMARY KEY REFERENCES messages(id),
    due_at $timestamp NOT NULL,
    attempts $integer NOT NULL,
    remaining $json NOT NULL,
    last_error $text
) $strict;
CREATE INDEX outbox_due ON outbox(due_at, message_id);

CREATE TABLE test_deliveries (
    message_id $text PRIMARY KEY REFERENCES messages(id),
    account_id $text NOT NULL,
    mailbox_id $text NOT NULL,
    mail_from $text NOT NULL,
    recipients $json NOT NULL,
    delivered_at $timestamp NOT NULL
) $strict;
CREATE INDEX test_delivery_account ON test_deliveries(account_id, delivered_at DESC);

CREATE TABLE audit (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    action $text NOT NULL,
    resource_type $text NOT NULL,
    resource_id $text NOT NULL,
    created_at $timestamp NOT NULL,
    mailbox_id $text,
    actor_key_id $text,
    metadata $json NOT NULL
) $strict;
CREATE INDEX audit_account ON audit(account_id, id DESC);
CREATE INDEX audit_mailbox ON audit(account_id, mailbox_id, id DESC);
