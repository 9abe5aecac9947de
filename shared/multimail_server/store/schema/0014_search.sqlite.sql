-- `store.words` makes the words: the tokenizer only parts them. A number sorts as its message's id.
CREATE TABLE message_words (
    number INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL UNIQUE REFERENCES messages(id),
    facets TEXT NOT NULL,
    title TEXT NOT NULL,
    sender TEXT NOT NULL,
    receivers TEXT NOT NULL,
    files TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE message_search USING fts5(
    facets, title, sender, receivers, files, body,
    content = 'message_words', content_rowid = 'number', tokenize = 'ascii', columnsize = 0
);
CREATE TRIGGER words_added AFTER INSERT ON message_words BEGIN
    INSERT INTO message_search (rowid, facets, title, sender, receivers, files, body)
    VALUES (new.number, new.facets, new.title, new.sender, new.receivers, new.files, new.body);
END;
CREATE TRIGGER words_removed AFTER DELETE ON message_words BEGIN
    INSERT INTO message_search
        (message_search, rowid, facets, title, sender, receivers, files, body)
    VALUES ('delete', old.number, old.facets, old.title, old.sender, old.receivers, old.files,
        old.body);
END;
