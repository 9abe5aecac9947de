-- Mailboxes that stay at a provider: how to sign in, how far their folders were read, what is to do.

CREATE TABLE connected_accounts (
    mailbox_id $text PRIMARY KEY REFERENCES mailboxes(id),
    account_id $text NOT NULL REFERENCES accounts(id),
    login $text NOT NULL,
    options $json NOT NULL,
    secret $bytes NOT NULL,
    connected_at $timestamp NOT NULL,
    state $text NOT NULL,
    detail $text NOT NULL,
    checked_at $timestamp
) $strict;

CREATE TABLE connected_folders (
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    name $text NOT NULL,
    uid_validity $integer NOT NULL,
    last_uid $integer NOT NULL,
    history_uid $integer NOT NULL,
    PRIMARY KEY (mailbox_id, name)
) $clustered;

CREATE TABLE connected_tasks (
    message_id $text NOT NULL REFERENCES messages(id),
    kind $text NOT NULL,
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    created_at $timestamp NOT NULL,
    PRIMARY KEY (message_id, kind)
) $clustered;
CREATE INDEX connected_task_mailbox ON connected_tasks(mailbox_id, created_at);
