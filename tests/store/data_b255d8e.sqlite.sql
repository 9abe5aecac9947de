-- Data of commit b255d8e, written by its code: see `test_store_old_data`.
PRAGMA user_version = 7;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, deleted_at INTEGER
) STRICT;
INSERT INTO "accounts" VALUES('acc_1','Grüße, 漢字 📧 ''quoted'' "twice" %_\',1767323045678901,NULL);
CREATE TABLE approval_links (
    sha256 TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages(id),
    content_hash TEXT NOT NULL, key_id TEXT NOT NULL REFERENCES keys(id),
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER
) STRICT;
INSERT INTO "approval_links" VALUES('5ha','msg_0001','hash','key_1',1767323045678901,1767326645678901,NULL);
CREATE TABLE approved_recipients (
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), address TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, address)
) STRICT, WITHOUT ROWID;
INSERT INTO "approved_recipients" VALUES('mbx_1','a@example.com');
CREATE TABLE attachment_contents (
    attachment_id TEXT PRIMARY KEY REFERENCES attachments(id), content BLOB NOT NULL
) STRICT;
INSERT INTO "attachment_contents" VALUES('att_1_0',X'66696C65');
CREATE TABLE attachments (
    id TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages(id),
    position INTEGER NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, content_id TEXT
) STRICT;
INSERT INTO "attachments" VALUES('att_1_0','msg_0001',0,'Grüße, 漢字 📧 ''quoted'' "twice" %_\','text/plain',2,'5ha','<cid>');
CREATE TABLE audit (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), action TEXT NOT NULL,
    resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT, actor_key_id TEXT, metadata TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES('aud_1','acc_1','email.send','email','msg_1',1767323045678901,'mbx_1','key_1','{"recipients":2}');
CREATE TABLE contacts (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), email TEXT NOT NULL,
    name TEXT, tags TEXT NOT NULL, created_at INTEGER NOT NULL, UNIQUE (account_id, email)
) STRICT;
INSERT INTO "contacts" VALUES('con_1','acc_1','a@example.com',NULL,'["a tag"]',1767323045678901);
CREATE TABLE contents (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), markdown TEXT NOT NULL, raw BLOB NOT NULL
, removed TEXT NOT NULL DEFAULT '[]') STRICT;
INSERT INTO "contents" VALUES('msg_0001','Grüße, 漢字 📧 ''quoted'' "twice" %_\',X'00FF0D0A','["a hidden line"]');
INSERT INTO "contents" VALUES('msg_0002','Grüße, 漢字 📧 ''quoted'' "twice" %_\',X'00FF0D0A','["a hidden line"]');
CREATE TABLE domains (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    name TEXT NOT NULL UNIQUE, selector TEXT NOT NULL,
    rsa_key TEXT NOT NULL, rsa_record TEXT NOT NULL,
    ed25519_key TEXT NOT NULL, ed25519_record TEXT NOT NULL,
    created_at INTEGER NOT NULL, verified_at INTEGER, checked_at INTEGER, seen TEXT NOT NULL
) STRICT;
INSERT INTO "domains" VALUES('dom_1','acc_1','example.com','mm','rsa','record','ed','record',1767323045678901,NULL,NULL,'{"spf":"found"}');
CREATE TABLE idempotency (
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL, message_id TEXT NOT NULL REFERENCES messages(id),
    created_at INTEGER NOT NULL, PRIMARY KEY (mailbox_id, idempotency_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('mbx_1','key','print','msg_0001',1767323045678901);
CREATE TABLE keys (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), name TEXT NOT NULL,
    prefix TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
    live INTEGER NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT REFERENCES mailboxes(id), revoked_at INTEGER
) STRICT;
INSERT INTO "keys" VALUES('key_1','acc_1','agent','mm_test_x','5ha','["read","send"]',0,1767323045678901,NULL,NULL);
CREATE TABLE mailboxes (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    address TEXT NOT NULL, display_name TEXT NOT NULL, oversight_mode TEXT NOT NULL,
    created_at INTEGER NOT NULL, settings TEXT NOT NULL, deleted_at INTEGER
) STRICT;
INSERT INTO "mailboxes" VALUES('mbx_1','acc_1','box@example.com','Grüße, 漢字 📧 ''quoted'' "twice" %_\','gated_send',1767323045678901,'{"auto_cc":["a@b.example"]}',NULL);
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
INSERT INTO "messages" VALUES('msg_0001','acc_1','mbx_1','thr_1','outbound','pending_send_approval','gated_send',1767326645678901,'box@example.com','Grüße, 漢字 📧 ''quoted'' "twice" %_\','["a@example.com","b@example.com"]','[]','["c@example.com"]','[]','Grüße, 漢字 📧 ''quoted'' "twice" %_\ 1',0,'box@example.com','["a@example.com","b@example.com","c@example.com"]',3,'raw 1','<1@example.com>',NULL,'["<0@example.com>"]',0,'key_1','print 1',NULL,NULL,1767585845678901,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"dkim":[{"result":"pass"}]}','{"run":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}','{"a@example.com":{"accepted":true,"code":250}}');
INSERT INTO "messages" VALUES('msg_0002','acc_1','mbx_1','thr_1','outbound','pending_send_approval','gated_send',1767330245678901,'box@example.com','Grüße, 漢字 📧 ''quoted'' "twice" %_\','["a@example.com","b@example.com"]','[]','["c@example.com"]','[]','Grüße, 漢字 📧 ''quoted'' "twice" %_\ 2',0,'box@example.com','["a@example.com","b@example.com","c@example.com"]',3,'raw 2','<2@example.com>',NULL,'["<0@example.com>"]',0,'key_1','print 2','msg_0001',NULL,1767589445678901,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"dkim":[{"result":"pass"}]}','{"run":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}','{"a@example.com":{"accepted":true,"code":250}}');
CREATE TABLE notices (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), kind TEXT NOT NULL,
    created_at INTEGER NOT NULL, message_id TEXT REFERENCES messages(id), facts TEXT NOT NULL,
    recipients TEXT NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL, mailed_at INTEGER,
    error TEXT
) STRICT;
INSERT INTO "notices" VALUES('ntc_1','acc_1','mbx_1','monitored_send',1767323045678901,'msg_0001','{"subject":"Grüße, 漢字 📧 ''quoted'' \"twice\" %_\\"}','["a@example.com"]',1767326645678901,0,NULL,NULL);
CREATE TABLE one_time_codes (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), purpose TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys(id), sha256 TEXT NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, mailbox_id TEXT REFERENCES mailboxes(id), from_mode TEXT,
    target_mode TEXT, subject TEXT NOT NULL, fingerprint TEXT NOT NULL, tries INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
INSERT INTO "one_time_codes" VALUES('otc_1','acc_1','change','key_1','5ha',1767326645678901,1767330245678901,NULL,NULL,NULL,'','',0,NULL);
CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL, remaining TEXT NOT NULL, last_error TEXT
) STRICT;
INSERT INTO "outbox" VALUES('msg_0002',1767323045678901,2,'["a@example.com"]','it was away');
CREATE TABLE revisions (
    message_id TEXT NOT NULL REFERENCES messages(id), number INTEGER NOT NULL,
    content_hash TEXT NOT NULL, "to" TEXT NOT NULL, cc TEXT NOT NULL, recipients TEXT NOT NULL,
    subject TEXT NOT NULL, markdown TEXT NOT NULL, raw BLOB NOT NULL,
    replaced_at INTEGER NOT NULL, replaced_by TEXT NOT NULL REFERENCES keys(id),
    PRIMARY KEY (message_id, number)
) STRICT;
INSERT INTO "revisions" VALUES('msg_0001',1,'hash','["a@example.com"]','[]','["a@example.com"]','Grüße, 漢字 📧 ''quoted'' "twice" %_\','text',X'00FF',1767326645678901,'key_1');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "settings" VALUES('name','Grüße, 漢字 📧 ''quoted'' "twice" %_\');
CREATE TABLE stamps (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), head BLOB NOT NULL
) STRICT;
INSERT INTO "stamps" VALUES('msg_0001',X'0068656164');
CREATE TABLE suppressions (
    account_id TEXT NOT NULL REFERENCES accounts(id), address TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, created_at INTEGER NOT NULL,
    mailbox_id TEXT, message_id TEXT, code INTEGER, detail TEXT,
    PRIMARY KEY (account_id, address)
) STRICT;
INSERT INTO "suppressions" VALUES('acc_1','a@example.com','sup_1','bounce',1767323045678901,NULL,NULL,550,NULL);
CREATE TABLE tags (
    message_id TEXT NOT NULL REFERENCES messages(id), name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (message_id, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "tags" VALUES('msg_0001','a','b');
CREATE TABLE test_deliveries (
    message_id TEXT PRIMARY KEY REFERENCES messages(id), account_id TEXT NOT NULL,
    mailbox_id TEXT NOT NULL, mail_from TEXT NOT NULL, recipients TEXT NOT NULL,
    delivered_at INTEGER NOT NULL
) STRICT;
INSERT INTO "test_deliveries" VALUES('msg_0001','acc_1','mbx_1','box@example.com','["a@example.com"]',1767326645678901);
CREATE TABLE webhook_bodies (
    delivery_id TEXT PRIMARY KEY REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
    body BLOB NOT NULL
) STRICT;
INSERT INTO "webhook_bodies" VALUES('evt_1',X'626F6479');
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY, webhook_id TEXT NOT NULL REFERENCES webhooks(id),
    account_id TEXT NOT NULL REFERENCES accounts(id), mailbox_id TEXT NOT NULL,
    message_id TEXT NOT NULL, event TEXT NOT NULL, status TEXT NOT NULL,
    created_at INTEGER NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL,
    last_attempt_at INTEGER, delivered_at INTEGER, response_status INTEGER, error TEXT
) STRICT;
INSERT INTO "webhook_deliveries" VALUES('evt_1','whk_1','acc_1','mbx_1','msg_0001','message.sent','pending',1767323045678901,1767326645678901,0,NULL,NULL,NULL,NULL);
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), url TEXT NOT NULL,
    events TEXT NOT NULL, signing_secret TEXT NOT NULL, signature_format TEXT NOT NULL,
    source TEXT NOT NULL, created_at INTEGER NOT NULL, mailbox_id TEXT REFERENCES mailboxes(id),
    last_success_at INTEGER, disabled_at INTEGER, disabled_reason TEXT, deleted_at INTEGER
) STRICT;
INSERT INTO "webhooks" VALUES('whk_1','acc_1','https://example.com/','["message.sent"]','a secret','hex','subscription',1767323045678901,NULL,NULL,NULL,NULL,NULL);
CREATE UNIQUE INDEX mailbox_address ON mailboxes(address) WHERE deleted_at IS NULL;
CREATE INDEX message_newest ON messages(mailbox_id, id DESC);
CREATE INDEX message_status ON messages(mailbox_id, status, id DESC);
CREATE INDEX message_direction ON messages(mailbox_id, direction, id DESC);
CREATE INDEX message_thread ON messages(mailbox_id, thread_id, id);
CREATE INDEX message_fingerprint ON messages(mailbox_id, fingerprint)
    WHERE fingerprint IS NOT NULL;
CREATE INDEX message_usage ON messages(account_id, created_at, direction);
CREATE INDEX message_held ON messages(account_id, id)
    WHERE status IN ('pending_send_approval', 'pending_inbound_approval');
CREATE INDEX message_expiry ON messages(expires_at)
    WHERE status = 'pending_send_approval';
CREATE INDEX attachment_message ON attachments(message_id, position);
CREATE INDEX idempotency_age ON idempotency(created_at);
CREATE INDEX outbox_due ON outbox(due_at, message_id);
CREATE INDEX test_delivery_account ON test_deliveries(account_id, delivered_at DESC);
CREATE INDEX audit_account ON audit(account_id, id DESC);
CREATE INDEX audit_mailbox ON audit(account_id, mailbox_id, id DESC);
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE INDEX webhook_account ON webhooks(account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX webhook_delivery_due ON webhook_deliveries(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_turn ON webhook_deliveries(webhook_id, due_at, id)
    WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_newest ON webhook_deliveries(account_id, id DESC);
CREATE INDEX webhook_delivery_status ON webhook_deliveries(account_id, status, id DESC);
CREATE INDEX webhook_delivery_message ON webhook_deliveries(message_id);
CREATE INDEX webhook_delivery_over ON webhook_deliveries(created_at) WHERE due_at IS NULL;
CREATE INDEX code_newest ON one_time_codes(account_id, purpose, created_at);
CREATE INDEX notice_newest ON notices(account_id, id DESC);
CREATE INDEX notice_due ON notices(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_message ON notices(message_id) WHERE message_id IS NOT NULL;
CREATE INDEX message_age ON messages(mailbox_id, created_at) WHERE status <> 'deleted';
CREATE INDEX message_account ON messages(account_id, id);
CREATE INDEX message_rfc_id ON messages(mailbox_id, rfc_message_id, id)
    WHERE rfc_message_id IS NOT NULL;
CREATE INDEX message_raw ON messages(mailbox_id, raw_sha256) WHERE direction = 'inbound';
COMMIT;
