-- Revisions of held messages, approval links, and the addresses that were written to with approval.

CREATE TABLE revisions (
    message_id $text NOT NULL REFERENCES messages(id),
    number $integer NOT NULL,
    content_hash $text NOT NULL,
    "to" $json NOT NULL,
    cc $json NOT NULL,
    recipients $json NOT NULL,
    subject $text NOT NULL,
    markdown $text NOT NULL,
    raw $bytes NOT NULL,
    replaced_at $timestamp NOT NULL,
    replaced_by $text NOT NULL REFERENCES keys(id),
    PRIMARY KEY (message_id, number)
) $strict;

CREATE TABLE approval_links (
    sha256 $text PRIMARY KEY,
    message_id $text NOT NULL REFERENCES messages(id),
    content_hash $text NOT NULL,
    key_id $text NOT NULL REFERENCES keys(id),
    created_at $timestamp NOT NULL,
    expires_at $timestamp NOT NULL,
    used_at $timestamp
) $strict;

CREATE TABLE approved_recipients (
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    address $text NOT NULL,
    PRIMARY KEY (mailbox_id, address)
) $clustered;
