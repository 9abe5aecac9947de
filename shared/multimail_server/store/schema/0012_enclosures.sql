-- Where a file of an outgoing message came from, and which message a forward repeats.
ALTER TABLE attachments ADD COLUMN origin $json NOT NULL DEFAULT '{}';
CREATE INDEX attachment_sha256 ON attachments(sha256);
ALTER TABLE messages ADD COLUMN forwards_id $text REFERENCES messages(id);
