-- One-time codes, notices to the account's owner, and indexes for retention and export.

CREATE TABLE one_time_codes (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    purpose $text NOT NULL,
    key_id $text NOT NULL REFERENCES keys(id),
    sha256 $text NOT NULL,
    created_at $timestamp NOT NULL,
    expires_at $timestamp NOT NULL,
    mailbox_id $text REFERENCES mailboxes(id),
    from_mode $text,
    target_mode $text,
    subject $text NOT NULL,
    fingerprint $text NOT NULL,
    tries $integer NOT NULL,
    used_at $timestamp
) $strict;
CREATE INDEX code_newest ON one_time_codes(account_id, purpose, created_at);

CREATE TABLE notices (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    kind $text NOT NULL,
    created_at $timestamp NOT NULL,
    message_id $text REFERENCES messages(id),
    facts $json NOT NULL,
    recipients $json NOT NULL,
    due_at $timestamp,
    attempts $integer NOT NULL,
    mailed_at $timestamp,
    error $text
) $strict;
CREATE INDEX notice_newest ON notices(account_id, id DESC);
CREATE INDEX notice_due ON notices(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_message ON notices(message_id) WHERE message_id IS NOT NULL;

CREATE INDEX message_age ON messages(mailbox_id, created_at) WHERE status <> 'deleted';
CREATE INDEX message_account ON messages(account_id, id);
