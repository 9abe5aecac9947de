UPDATE messages SET answers = (
    SELECT CASE o.direction WHEN 'inbound' THEN json_build_object(
        'id', o.id, 'from', o.from_address, 'authentication', o.authentication::json
    ) ELSE json_build_object('id', o.id, 'from', '', 'authentication', '{}'::json) END::text
    FROM messages o WHERE o.id = messages.replies_to_id
) WHERE replies_to_id IS NOT NULL;
