-- The audit log is append-only.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_keeps_rows BEFORE DELETE OR UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- str.casefold of Python: lower() leaves letters such as ß as they are. The server fills the table.
CREATE TABLE folded_letters (letter TEXT COLLATE "C" PRIMARY KEY, folded TEXT NOT NULL);
CREATE FUNCTION multimail_casefold(words text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE WHEN octet_length(words) = char_length(words) THEN lower(words COLLATE "C") ELSE (
        SELECT string_agg(coalesce(f.folded, l.letter), '' ORDER BY l.place)
        FROM unnest(string_to_array(words, NULL)) WITH ORDINALITY AS l(letter, place)
        LEFT JOIN folded_letters f ON f.letter = l.letter COLLATE "C"
    ) END
$$;
