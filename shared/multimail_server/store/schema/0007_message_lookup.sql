-- A covering index by Message-ID. The index by content serves inbound mail only.
DROP INDEX message_rfc_id;
CREATE INDEX message_rfc_id ON messages(mailbox_id, rfc_message_id, id)
    WHERE rfc_message_id IS NOT NULL;
DROP INDEX message_raw;
CREATE INDEX message_raw ON messages(mailbox_id, raw_sha256) WHERE direction = 'inbound';
