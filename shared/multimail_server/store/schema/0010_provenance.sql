-- Who wrote the text that a model is shown again, and how far what its writer had read was believed.
-- Of what is older, nobody knows.

ALTER TABLE contacts ADD COLUMN made_by $text;
ALTER TABLE contacts ADD COLUMN label $text;
UPDATE contacts SET label = 'unknown';

ALTER TABLE tags ADD COLUMN label $text;
UPDATE tags SET label = 'unknown';

ALTER TABLE messages ADD COLUMN list_post $json NOT NULL DEFAULT '[]';
ALTER TABLE messages ADD COLUMN answers $json NOT NULL DEFAULT '{}';
