"""The schema: one list of steps; `PRAGMA user_version` says how many an SQLite file has taken.

A step, once released, is never edited: a change of the schema is a new step at the end.
`TABLES` is what `postgres_schema` respells for PostgreSQL; what only SQLite has stands beside it.
"""

from __future__ import annotations

from .sqlite_authority import TABLES as _AUTHORITY
from .sqlite_webhooks import TABLES as _WEBHOOKS

_FIRST = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE accounts (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, deleted_at INTEGER
) STRICT;

CREATE TABLE mailboxes (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    address TEXT NOT NULL, display_name TEXT NOT NULL, oversight_mode TEXT NOT NULL,
    created_at INTEGER NOT NULL, settings TEXT NOT NULL, deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX mailbox_address ON mailboxes(address) WHERE deleted_at IS NULL;

CREATE TABLE keys (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), name TEXT NOT NULL,
    prefix TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
    live INTEGER NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT REFERENCES mailboxes(id), revoked_at INTEGER
) STRICT;

CREATE TABLE messages (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), thread_id TEXT NOT NULL,
    direction TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,
    created_at INTEGER NOT NULL, from_address TEXT NOT NULL, from_name TEXT NOT NULL,
    "to" TEXT NOT NULL, cc TEXT NOT NULL, bcc TEXT NOT NULL, reply_to TEXT NOT NULL,
    subject TEXT NOT NULL, has_attachments INTEGER NOT NULL, mail_from TEXT NOT NULL,
    recipients TEXT NOT NULL, size INTEGER NOT NULL, raw_sha256 TEXT NOT NULL,
    rfc_message_id TEXT, in_reply_to TEXT, refs TEXT NOT NULL, live INTEGER NOT NULL,
    composer_key_id TEXT REFERENCES keys(id), fingerprint TEXT,
    replies_to_id TEXT REFERENCES messages(id), content_hash TEXT,
    expires_at INTEGER, send_at INTEGER, decided_at INTEGER,
    decided_by TEXT REFERENCES keys(id), decision TEXT, decision_reason TEXT,
    delivered_at INTEGER, bounced_at INTEGER, bounce_type TEXT, bounce_code INTEGER,
    bounce_reason TEXT, spam_score REAL, spam_verdict TEXT, auto_submitted TEXT, list_id TEXT,
    precedence TEXT, authentication TEXT NOT NULL, metadata TEXT NOT NULL, delivery TEXT NOT NULL
) STRICT;
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
    message_id TEXT PRIMARY KEY REFERENCES messages(id), markdown TEXT NOT NULL, raw BLOB NOT NULL
) STRICT;

CREATE TABLE attachments (
    id TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages(id),
    position INTEGER NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, content_id TEXT
) STRICT;
CREATE INDEX attachment_message ON attachments(message_id, position);
CREATE TABLE attachment_contents (
    attachment_id TEXT PRIMARY KEY REFERENCES attachments(id), content BLOB NOT NULL
) STRICT;

CREATE TABLE tags (
    message_id TEXT NOT NULL REFERENCES messages(id), name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (message_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), email TEXT NOT NULL,
    name TEXT, tags TEXT NOT NULL, created_at INTEGER NOT NULL, UNIQUE (account_id, email)
) STRICT;

CREATE TABLE idempotency (
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL, message_id TEXT NOT NULL REFERENCES messages(id),
    created_at INTEGER NOT NULL, PRIMARY KEY (mailbox_id, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency(created_at);

CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL, remaining TEXT NOT NULL, last_error TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox(due_at, message_id);

CREATE TABLE test_deliveries (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), account_id TEXT NOT NULL,
    mailbox_id TEXT NOT NULL, mail_from TEXT NOT NULL, recipients TEXT NOT NULL,
    delivered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX test_delivery_account ON test_deliveries(account_id, delivered_at DESC);

CREATE TABLE audit (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), action TEXT NOT NULL,
    resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT, actor_key_id TEXT, metadata TEXT NOT NULL
) STRICT;
CREATE INDEX audit_account ON audit(account_id, id DESC);
CREATE INDEX audit_mailbox ON audit(account_id, mailbox_id, id DESC);
"""

_AUDIT_KEEPS = """
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""

_REMOVED = """
ALTER TABLE contents ADD COLUMN removed TEXT NOT NULL DEFAULT '[]';
"""

_REVIEWING = """
CREATE TABLE revisions (
    message_id TEXT NOT NULL REFERENCES messages(id), number INTEGER NOT NULL,
    content_hash TEXT NOT NULL, "to" TEXT NOT NULL, cc TEXT NOT NULL, recipients TEXT NOT NULL,
    subject TEXT NOT NULL, markdown TEXT NOT NULL, raw BLOB NOT NULL,
    replaced_at INTEGER NOT NULL, replaced_by TEXT NOT NULL REFERENCES keys(id),
    PRIMARY KEY (message_id, number)
) STRICT;

CREATE TABLE approval_links (
    sha256 TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages(id),
    content_hash TEXT NOT NULL, key_id TEXT NOT NULL REFERENCES keys(id),
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER
) STRICT;

CREATE TABLE approved_recipients (
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), address TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, address)
) STRICT, WITHOUT ROWID;
"""

_APPROVED_BEFORE = """
INSERT OR IGNORE INTO approved_recipients
    SELECT mailbox_id, lower(value) FROM messages, json_each(recipients)
    WHERE direction = 'outbound' AND decision = 'approve';
"""

_OUTBOUND = """
CREATE TABLE domains (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    name TEXT NOT NULL UNIQUE, selector TEXT NOT NULL,
    rsa_key TEXT NOT NULL, rsa_record TEXT NOT NULL,
    ed25519_key TEXT NOT NULL, ed25519_record TEXT NOT NULL,
    created_at INTEGER NOT NULL, verified_at INTEGER, checked_at INTEGER, seen TEXT NOT NULL
) STRICT;

CREATE TABLE suppressions (
    account_id TEXT NOT NULL REFERENCES accounts(id), address TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT, message_id TEXT, code INTEGER, detail TEXT,
    PRIMARY KEY (account_id, address)
) STRICT;

CREATE TABLE stamps (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), head BLOB NOT NULL
) STRICT;
"""

_SOUGHT = """
DROP INDEX message_rfc_id;
CREATE INDEX message_rfc_id ON messages(mailbox_id, rfc_message_id, id)
    WHERE rfc_message_id IS NOT NULL;
DROP INDEX message_raw;
CREATE INDEX message_raw ON messages(mailbox_id, raw_sha256) WHERE direction = 'inbound';
"""

TABLES: tuple[str, ...] = (
    _FIRST, _REMOVED, _WEBHOOKS, _REVIEWING, _OUTBOUND, _AUTHORITY, _SOUGHT,
)  # fmt: skip
"""The tables and indexes of each step, in types that every database has a word for."""

STEPS: tuple[str, ...] = (
    _FIRST + _AUDIT_KEEPS,
    _REMOVED,
    _WEBHOOKS,
    _REVIEWING + _APPROVED_BEFORE,
    *TABLES[4:],
)
