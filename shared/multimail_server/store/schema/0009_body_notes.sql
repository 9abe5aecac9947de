-- Codes of what a reader has to know of a body: another version, a signature, encryption.
ALTER TABLE contents ADD COLUMN notes $json NOT NULL DEFAULT '[]';
