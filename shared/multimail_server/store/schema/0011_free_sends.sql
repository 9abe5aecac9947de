-- What left without a human because a client's guard said so, for the caps of a day.

CREATE TABLE free_sends (
    mailbox_id $text NOT NULL REFERENCES mailboxes(id),
    name $text NOT NULL,
    message_id $text NOT NULL REFERENCES messages(id),
    created_at $timestamp NOT NULL,
    PRIMARY KEY (mailbox_id, name, message_id)
) $clustered;
CREATE INDEX free_send_age ON free_sends(created_at);
