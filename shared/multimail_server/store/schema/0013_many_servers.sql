-- What belongs to one message is found by it: retention removes it.
CREATE INDEX idempotency_message ON idempotency(message_id);
CREATE INDEX approval_link_message ON approval_links(message_id);
CREATE INDEX suppression_newest ON suppressions(account_id, id DESC);
