-- Message-IDs that lead to a thread and are not the id of a message here, and the signs of a program.

CREATE TABLE message_references (
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    rfc_id $text NOT NULL,
    kind $text NOT NULL,
    thread_id $text NOT NULL,
    message_id $text NOT NULL REFERENCES messages(id),
    PRIMARY KEY (mailbox_id, rfc_id)
) $clustered;
CREATE INDEX reference_thread ON message_references(mailbox_id, thread_id);
CREATE INDEX reference_message ON message_references(message_id);

-- Replies that came before their original: the first one to each missing message waits for it.
INSERT INTO message_references
    SELECT m.mailbox_id, m.in_reply_to, 'parent', m.thread_id, m.id FROM messages m
    WHERE m.id IN (
        SELECT min(id) FROM messages WHERE direction = 'inbound' AND in_reply_to IS NOT NULL
        GROUP BY mailbox_id, in_reply_to
    )
    AND m.id = (
        SELECT min(f.id) FROM messages f
        WHERE f.mailbox_id = m.mailbox_id AND f.thread_id = m.thread_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM messages p
        WHERE p.mailbox_id = m.mailbox_id AND p.rfc_message_id = m.in_reply_to
    );

ALTER TABLE messages ADD COLUMN automatic $text;
ALTER TABLE messages ADD COLUMN bulk $boolean NOT NULL DEFAULT 0;
