-- Descriptions of the hidden parts of HTML mail that were left out of the text.
ALTER TABLE contents ADD COLUMN removed $json NOT NULL DEFAULT '[]';
