-- Data of commit b255d8e, written by its code: see `test_store_old_data`.

CREATE TABLE settings (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);

CREATE TABLE accounts (
    id TEXT COLLATE "C" PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, deleted_at BIGINT
);

CREATE TABLE mailboxes (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id),
    address TEXT COLLATE "C" NOT NULL, display_name TEXT COLLATE "C" NOT NULL, oversight_mode TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, settings TEXT COLLATE "C" NOT NULL, deleted_at BIGINT
);
CREATE UNIQUE INDEX mailbox_address ON mailboxes(address) WHERE deleted_at IS NULL;

CREATE TABLE keys (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), name TEXT COLLATE "C" NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL, sha256 TEXT COLLATE "C" NOT NULL UNIQUE, scopes TEXT COLLATE "C" NOT NULL,
    live BIGINT NOT NULL, created_at BIGINT NOT NULL,
    mailbox_id TEXT COLLATE "C" REFERENCES mailboxes(id), revoked_at BIGINT
);

CREATE TABLE messages (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id),
    mailbox_id TEXT COLLATE "C" NOT NULL REFERENCES mailboxes(id), thread_id TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL, status TEXT COLLATE "C" NOT NULL, mode TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, from_address TEXT COLLATE "C" NOT NULL, from_name TEXT COLLATE "C" NOT NULL,
    "to" TEXT COLLATE "C" NOT NULL, cc TEXT COLLATE "C" NOT NULL, bcc TEXT COLLATE "C" NOT NULL, reply_to TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL, has_attachments BIGINT NOT NULL, mail_from TEXT COLLATE "C" NOT NULL,
    recipients TEXT COLLATE "C" NOT NULL, size BIGINT NOT NULL, raw_sha256 TEXT COLLATE "C" NOT NULL,
    rfc_message_id TEXT COLLATE "C", in_reply_to TEXT COLLATE "C", refs TEXT COLLATE "C" NOT NULL, live BIGINT NOT NULL,
    composer_key_id TEXT COLLATE "C" REFERENCES keys(id), fingerprint TEXT COLLATE "C",
    replies_to_id TEXT COLLATE "C" REFERENCES messages(id), content_hash TEXT COLLATE "C",
    expires_at BIGINT, send_at BIGINT, decided_at BIGINT,
    decided_by TEXT COLLATE "C" REFERENCES keys(id), decision TEXT COLLATE "C", decision_reason TEXT COLLATE "C",
    delivered_at BIGINT, bounced_at BIGINT, bounce_type TEXT COLLATE "C", bounce_code BIGINT,
    bounce_reason TEXT COLLATE "C", spam_score DOUBLE PRECISION, spam_verdict TEXT COLLATE "C", auto_submitted TEXT COLLATE "C", list_id TEXT COLLATE "C",
    precedence TEXT COLLATE "C", authentication TEXT COLLATE "C" NOT NULL, metadata TEXT COLLATE "C" NOT NULL, delivery TEXT COLLATE "C" NOT NULL
);
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
    message_id TEXT COLLATE "C" PRIMARY KEY REFERENCES messages(id), markdown TEXT COLLATE "C" NOT NULL, raw BYTEA NOT NULL
);

CREATE TABLE attachments (
    id TEXT COLLATE "C" PRIMARY KEY, message_id TEXT COLLATE "C" NOT NULL REFERENCES messages(id),
    position BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, content_type TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL, sha256 TEXT COLLATE "C" NOT NULL, content_id TEXT COLLATE "C"
);
CREATE INDEX attachment_message ON attachments(message_id, position);
CREATE TABLE attachment_contents (
    attachment_id TEXT COLLATE "C" PRIMARY KEY REFERENCES attachments(id), content BYTEA NOT NULL
);

CREATE TABLE tags (
    message_id TEXT COLLATE "C" NOT NULL REFERENCES messages(id), name TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (message_id, name)
);

CREATE TABLE contacts (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), email TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C", tags TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, UNIQUE (account_id, email)
);

CREATE TABLE idempotency (
    mailbox_id TEXT COLLATE "C" NOT NULL REFERENCES mailboxes(id), idempotency_key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL, message_id TEXT COLLATE "C" NOT NULL REFERENCES messages(id),
    created_at BIGINT NOT NULL, PRIMARY KEY (mailbox_id, idempotency_key)
);
CREATE INDEX idempotency_age ON idempotency(created_at);

CREATE TABLE outbox (
    message_id TEXT COLLATE "C" PRIMARY KEY REFERENCES messages(id), due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL, remaining TEXT COLLATE "C" NOT NULL, last_error TEXT COLLATE "C"
);
CREATE INDEX outbox_due ON outbox(due_at, message_id);

CREATE TABLE test_deliveries (
    message_id TEXT COLLATE "C" PRIMARY KEY REFERENCES messages(id), account_id TEXT COLLATE "C" NOT NULL,
    mailbox_id TEXT COLLATE "C" NOT NULL, mail_from TEXT COLLATE "C" NOT NULL, recipients TEXT COLLATE "C" NOT NULL,
    delivered_at BIGINT NOT NULL
);
CREATE INDEX test_delivery_account ON test_deliveries(account_id, delivered_at DESC);

CREATE TABLE audit (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), action TEXT COLLATE "C" NOT NULL,
    resource_type TEXT COLLATE "C" NOT NULL, resource_id TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
    mailbox_id TEXT COLLATE "C", actor_key_id TEXT COLLATE "C", metadata TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_account ON audit(account_id, id DESC);
CREATE INDEX audit_mailbox ON audit(account_id, mailbox_id, id DESC);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_keeps_rows BEFORE DELETE OR UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE folded_letters (letter TEXT COLLATE "C" PRIMARY KEY, folded TEXT NOT NULL);
CREATE FUNCTION multimail_casefold(words text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE WHEN octet_length(words) = char_length(words) THEN lower(words COLLATE "C") ELSE (
        SELECT string_agg(coalesce(f.folded, l.letter), '' ORDER BY l.place)
        FROM unnest(string_to_array(words, NULL)) WITH ORDINALITY AS l(letter, place)
        LEFT JOIN folded_letters f ON f.letter = l.letter COLLATE "C"
    ) END
$$;

ALTER TABLE contents ADD COLUMN removed TEXT COLLATE "C" NOT NULL DEFAULT '[]';

CREATE TABLE webhooks (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), url TEXT COLLATE "C" NOT NULL,
    events TEXT COLLATE "C" NOT NULL, signing_secret TEXT COLLATE "C" NOT NULL, signature_format TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, mailbox_id TEXT COLLATE "C" REFERENCES mailboxes(id),
    last_success_at BIGINT, disabled_at BIGINT, disabled_reason TEXT COLLATE "C", deleted_at BIGINT
);
CREATE INDEX webhook_account ON webhooks(account_id, id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_deliveries (
    id TEXT COLLATE "C" PRIMARY KEY, webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhooks(id),
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), mailbox_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL, event TEXT COLLATE "C" NOT NULL, status TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, due_at BIGINT, attempts BIGINT NOT NULL,
    last_attempt_at BIGINT, delivered_at BIGINT, response_status BIGINT, error TEXT COLLATE "C"
);
CREATE INDEX webhook_delivery_due ON webhook_deliveries(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_turn ON webhook_deliveries(webhook_id, due_at, id)
    WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_newest ON webhook_deliveries(account_id, id DESC);
CREATE INDEX webhook_delivery_status ON webhook_deliveries(account_id, status, id DESC);
CREATE INDEX webhook_delivery_message ON webhook_deliveries(message_id);
CREATE INDEX webhook_delivery_over ON webhook_deliveries(created_at) WHERE due_at IS NULL;
CREATE TABLE webhook_bodies (
    delivery_id TEXT COLLATE "C" PRIMARY KEY REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
    body BYTEA NOT NULL
);

CREATE TABLE revisions (
    message_id TEXT COLLATE "C" NOT NULL REFERENCES messages(id), number BIGINT NOT NULL,
    content_hash TEXT COLLATE "C" NOT NULL, "to" TEXT COLLATE "C" NOT NULL, cc TEXT COLLATE "C" NOT NULL, recipients TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL, markdown TEXT COLLATE "C" NOT NULL, raw BYTEA NOT NULL,
    replaced_at BIGINT NOT NULL, replaced_by TEXT COLLATE "C" NOT NULL REFERENCES keys(id),
    PRIMARY KEY (message_id, number)
);

CREATE TABLE approval_links (
    sha256 TEXT COLLATE "C" PRIMARY KEY, message_id TEXT COLLATE "C" NOT NULL REFERENCES messages(id),
    content_hash TEXT COLLATE "C" NOT NULL, key_id TEXT COLLATE "C" NOT NULL REFERENCES keys(id),
    created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT
);

CREATE TABLE approved_recipients (
    mailbox_id TEXT COLLATE "C" NOT NULL REFERENCES mailboxes(id), address TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (mailbox_id, address)
);

CREATE TABLE domains (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id),
    name TEXT COLLATE "C" NOT NULL UNIQUE, selector TEXT COLLATE "C" NOT NULL,
    rsa_key TEXT COLLATE "C" NOT NULL, rsa_record TEXT COLLATE "C" NOT NULL,
    ed25519_key TEXT COLLATE "C" NOT NULL, ed25519_record TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, verified_at BIGINT, checked_at BIGINT, seen TEXT COLLATE "C" NOT NULL
);

CREATE TABLE suppressions (
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), address TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE, reason TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
    mailbox_id TEXT COLLATE "C", message_id TEXT COLLATE "C", code BIGINT, detail TEXT COLLATE "C",
    PRIMARY KEY (account_id, address)
);

CREATE TABLE stamps (
    message_id TEXT COLLATE "C" PRIMARY KEY REFERENCES messages(id), head BYTEA NOT NULL
);

CREATE TABLE one_time_codes (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id), purpose TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL REFERENCES keys(id), sha256 TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, mailbox_id TEXT COLLATE "C" REFERENCES mailboxes(id), from_mode TEXT COLLATE "C",
    target_mode TEXT COLLATE "C", subject TEXT COLLATE "C" NOT NULL, fingerprint TEXT COLLATE "C" NOT NULL, tries BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX code_newest ON one_time_codes(account_id, purpose, created_at);

CREATE TABLE notices (
    id TEXT COLLATE "C" PRIMARY KEY, account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts(id),
    mailbox_id TEXT COLLATE "C" NOT NULL REFERENCES mailboxes(id), kind TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, message_id TEXT COLLATE "C" REFERENCES messages(id), facts TEXT COLLATE "C" NOT NULL,
    recipients TEXT COLLATE "C" NOT NULL, due_at BIGINT, attempts BIGINT NOT NULL, mailed_at BIGINT,
    error TEXT COLLATE "C"
);
CREATE INDEX notice_newest ON notices(account_id, id DESC);
CREATE INDEX notice_due ON notices(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_message ON notices(message_id) WHERE message_id IS NOT NULL;

CREATE INDEX message_age ON messages(mailbox_id, created_at) WHERE status <> 'deleted';
CREATE INDEX message_account ON messages(account_id, id);

DROP INDEX message_rfc_id;
CREATE INDEX message_rfc_id ON messages(mailbox_id, rfc_message_id, id)
    WHERE rfc_message_id IS NOT NULL;
DROP INDEX message_raw;
CREATE INDEX message_raw ON messages(mailbox_id, raw_sha256) WHERE direction = 'inbound';

CREATE TABLE schema_version (taken BIGINT NOT NULL);

INSERT INTO schema_version VALUES (7);
INSERT INTO settings VALUES ('name', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\');
INSERT INTO accounts VALUES ('acc_1', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', 1767323045678901, NULL);
INSERT INTO mailboxes VALUES ('mbx_1', 'acc_1', 'box@example.com', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', 'gated_send', 1767323045678901, '{"auto_cc":["a@b.example"]}', NULL);
INSERT INTO keys VALUES ('key_1', 'acc_1', 'agent', 'mm_test_x', '5ha', '["read","send"]', 0, 1767323045678901, NULL, NULL);
INSERT INTO messages VALUES ('msg_0001', 'acc_1', 'mbx_1', 'thr_1', 'outbound', 'pending_send_approval', 'gated_send', 1767326645678901, 'box@example.com', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', '["a@example.com","b@example.com"]', '[]', '["c@example.com"]', '[]', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\ 1', 0, 'box@example.com', '["a@example.com","b@example.com","c@example.com"]', 3, 'raw 1', '<1@example.com>', NULL, '["<0@example.com>"]', 0, 'key_1', 'print 1', NULL, NULL, 1767585845678901, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"dkim":[{"result":"pass"}]}', '{"run":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}', '{"a@example.com":{"accepted":true,"code":250}}');
INSERT INTO messages VALUES ('msg_0002', 'acc_1', 'mbx_1', 'thr_1', 'outbound', 'pending_send_approval', 'gated_send', 1767330245678901, 'box@example.com', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', '["a@example.com","b@example.com"]', '[]', '["c@example.com"]', '[]', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\ 2', 0, 'box@example.com', '["a@example.com","b@example.com","c@example.com"]', 3, 'raw 2', '<2@example.com>', NULL, '["<0@example.com>"]', 0, 'key_1', 'print 2', 'msg_0001', NULL, 1767589445678901, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"dkim":[{"result":"pass"}]}', '{"run":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}', '{"a@example.com":{"accepted":true,"code":250}}');
INSERT INTO contents VALUES ('msg_0001', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', '\x00ff0d0a', '["a hidden line"]');
INSERT INTO contents VALUES ('msg_0002', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', '\x00ff0d0a', '["a hidden line"]');
INSERT INTO attachments VALUES ('att_1_0', 'msg_0001', 0, 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', 'text/plain', 2, '5ha', '<cid>');
INSERT INTO attachment_contents VALUES ('att_1_0', '\x66696c65');
INSERT INTO tags VALUES ('msg_0001', 'a', 'b');
INSERT INTO contacts VALUES ('con_1', 'acc_1', 'a@example.com', NULL, '["a tag"]', 1767323045678901);
INSERT INTO idempotency VALUES ('mbx_1', 'key', 'print', 'msg_0001', 1767323045678901);
INSERT INTO outbox VALUES ('msg_0002', 1767323045678901, 2, '["a@example.com"]', 'it was away');
INSERT INTO test_deliveries VALUES ('msg_0001', 'acc_1', 'mbx_1', 'box@example.com', '["a@example.com"]', 1767326645678901);
INSERT INTO audit VALUES ('aud_1', 'acc_1', 'email.send', 'email', 'msg_1', 1767323045678901, 'mbx_1', 'key_1', '{"recipients":2}');
INSERT INTO webhooks VALUES ('whk_1', 'acc_1', 'https://example.com/', '["message.sent"]', 'a secret', 'hex', 'subscription', 1767323045678901, NULL, NULL, NULL, NULL, NULL);
INSERT INTO webhook_deliveries VALUES ('evt_1', 'whk_1', 'acc_1', 'mbx_1', 'msg_0001', 'message.sent', 'pending', 1767323045678901, 1767326645678901, 0, NULL, NULL, NULL, NULL);
INSERT INTO webhook_bodies VALUES ('evt_1', '\x626f6479');
INSERT INTO revisions VALUES ('msg_0001', 1, 'hash', '["a@example.com"]', '[]', '["a@example.com"]', 'Grüße, 漢字 📧 ''quoted'' "twice" %_\', 'text', '\x00ff', 1767326645678901, 'key_1');
INSERT INTO approval_links VALUES ('5ha', 'msg_0001', 'hash', 'key_1', 1767323045678901, 1767326645678901, NULL);
INSERT INTO approved_recipients VALUES ('mbx_1', 'a@example.com');
INSERT INTO domains VALUES ('dom_1', 'acc_1', 'example.com', 'mm', 'rsa', 'record', 'ed', 'record', 1767323045678901, NULL, NULL, '{"spf":"found"}');
INSERT INTO suppressions VALUES ('acc_1', 'a@example.com', 'sup_1', 'bounce', 1767323045678901, NULL, NULL, 550, NULL);
INSERT INTO stamps VALUES ('msg_0001', '\x0068656164');
INSERT INTO one_time_codes VALUES ('otc_1', 'acc_1', 'change', 'key_1', '5ha', 1767326645678901, 1767330245678901, NULL, NULL, NULL, '', '', 0, NULL);
INSERT INTO notices VALUES ('ntc_1', 'acc_1', 'mbx_1', 'monitored_send', 1767323045678901, 'msg_0001', '{"subject":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}', '["a@example.com"]', 1767326645678901, 0, NULL, NULL);
