-- The words of each message, for full-text search, and an index of messages by tag.
CREATE INDEX tag_name ON tags(name, message_id);
