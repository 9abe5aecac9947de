UPDATE messages SET answers = (
    SELECT CASE o.direction WHEN 'inbound' THEN json_object(
        'id', o.id, 'from', o.from_address, 'authentication', json(o.authentication)
    ) ELSE json_object('id', o.id, 'from', '', 'authentication', json('{}')) END
    FROM messages o WHERE o.id = messages.replies_to_id
) WHERE replies_to_id IS NOT NULL;
