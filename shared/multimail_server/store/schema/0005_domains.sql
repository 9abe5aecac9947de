-- Custom domains, suppressed addresses, and the header fields that were added to mail that left.

CREATE TABLE domains (
    id $text PRIMARY KEY,
    account_id $text NOT NULL REFERENCES accounts(id),
    name $text NOT NULL UNIQUE,
    selector $text NOT NULL,
    rsa_key $text NOT NULL,
    rsa_record $text NOT NULL,
    ed25519_key $text NOT NULL,
    ed25519_record $text NOT NULL,
    created_at $timestamp NOT NULL,
    verified_at $timestamp,
    checked_at $timestamp,
    seen $json NOT NULL
) $strict;

CREATE TABLE suppressions (
    account_id $text NOT NULL REFERENCES accounts(id),
    address $text NOT NULL,
    id $text NOT NULL UNIQUE,
    reason $text NOT NULL,
    created_at $timestamp NOT NULL,
    mailbox_id $text,
    message_id $text,
    code $integer,
    detail $text,
    PRIMARY KEY (account_id, address)
) $strict;

CREATE TABLE stamps (
    message_id $text PRIMARY KEY REFERENCES messages(id),
    head $bytes NOT NULL
) $strict;
