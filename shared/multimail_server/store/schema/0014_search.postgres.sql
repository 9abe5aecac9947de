-- `store.words` makes the words. Weights: A the subject, B the sender, C the recipients, D the rest.
CREATE TABLE message_words (
    message_id TEXT COLLATE "C" PRIMARY KEY REFERENCES messages(id),
    mailbox_id TEXT COLLATE "C" NOT NULL,
    words tsvector NOT NULL
);
CREATE INDEX message_words_search ON message_words USING gin (words);
CREATE INDEX message_words_newest ON message_words(mailbox_id, message_id DESC);
