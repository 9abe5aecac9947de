-- Addresses approved before this migration. No PostgreSQL database is that old.
INSERT OR IGNORE INTO approved_recipients
    SELECT mailbox_id, lower(value) FROM messages, json_each(recipients)
    WHERE direction = 'outbound' AND decision = 'approve';
