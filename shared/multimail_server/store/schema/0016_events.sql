-- The event log, which GET /v1/events reads. `seq` is the order of the inserts; `position` that in
-- which events are read, given once they are committed: nothing is ever added before what was read.

CREATE TABLE events (
    seq $serial,
    account_id $text NOT NULL,
    mailbox_id $text NOT NULL,
    message_id $text NOT NULL,
    kind $text NOT NULL,
    created_at $timestamp NOT NULL,
    details $json NOT NULL,
    position $integer
) $strict;
CREATE UNIQUE INDEX event_position ON events(position) WHERE position IS NOT NULL;
CREATE INDEX event_unnumbered ON events(seq) WHERE position IS NULL;
CREATE INDEX event_message ON events(message_id);

CREATE TABLE event_counter (last $integer NOT NULL) $strict;
INSERT INTO event_counter VALUES (0);

-- The last position of each kind that was removed with age.
CREATE TABLE event_losses (
    account_id $text NOT NULL,
    mailbox_id $text NOT NULL,
    kind $text NOT NULL,
    position $integer NOT NULL,
    PRIMARY KEY (mailbox_id, kind)
) $strict;
