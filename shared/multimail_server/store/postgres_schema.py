"""The PostgreSQL schema: the tables of `schema`, in PostgreSQL's types, and what is its own.

`schema_version` says how many steps were taken. Its lock is also the writers' turn: see
`postgres_writer`.
"""

from __future__ import annotations

import re

from .postgres_connecting import Native
from .protocol import StoreUnavailableError
from .schema import TABLES

_TURN = 0x6D756C74696D6169
"""The advisory lock of those who migrate."""

_WORDS = {
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    "BLOB": "BYTEA",
    # The order of ids is that of their bytes, whatever language the database sorts in.
    "TEXT": 'TEXT COLLATE "C"',
}
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b|\)( STRICT)?(, WITHOUT ROWID)?;")

_OWN_FIRST = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_keeps_rows BEFORE DELETE OR UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE folded_letters (letter TEXT COLLATE "C" PRIMARY KEY, folded TEXT NOT NULL);
CREATE FUNCTION multimail_casefold(words text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE WHEN octet_length(words) = char_length(words) THEN lower(words COLLATE "C") ELSE (
        SELECT string_agg(coalesce(f.folded, l.letter), '' ORDER BY l.place)
        FROM unnest(string_to_array(words, NULL)) WITH ORDINALITY AS l(letter, place)
        LEFT JOIN folded_letters f ON f.letter = l.letter COLLATE "C"
    ) END
$$;
"""
"""The audit log's triggers, and `str.casefold`: PostgreSQL's own lower() leaves ß as it is."""

_OWN: tuple[str, ...] = (_OWN_FIRST, *[""] * (len(TABLES) - 1))
"""What each step does in PostgreSQL alone."""


def respelled(tables: str) -> str:
    """Return a step of `schema.TABLES` for PostgreSQL."""
    return _WORD.sub(lambda found: _WORDS.get(found[0], ");"), tables)


def migrate(connection: Native, shown: str) -> None:
    """Take the steps that the database has not taken, all or none, one process at a time.

    Args:
        connection: In autocommit mode.
        shown: The database's name for an error.
    Raises:
        StoreUnavailableError: A newer version of multimail wrote it, or it is not in UTF-8.
    """
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5min'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
        _check_encoding(connection, shown)
        taken = _taken(connection)
        if taken > len(TABLES):
            raise StoreUnavailableError(
                f"{shown} was written by a newer version of multimail. Update multimail."
            )
        for number in range(taken, len(TABLES)):
            connection.execute((respelled(TABLES[number]) + _OWN[number]).encode())
        if taken == 0:
            _fill_folded_letters(connection)
        if taken < len(TABLES):
            connection.execute("UPDATE schema_version SET taken = %s", (len(TABLES),))


def _taken(connection: Native) -> int:
    """Return how many steps were taken; begin to count in an empty database."""
    found = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if found != (True,):
        connection.execute("CREATE TABLE schema_version (taken BIGINT NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (0)")
    row = connection.execute("SELECT taken FROM schema_version").fetchone()
    return int(row[0]) if row else 0


def _check_encoding(connection: Native, shown: str) -> None:
    row = connection.execute("SHOW server_encoding").fetchone()
    if row != ("UTF8",):
        raise StoreUnavailableError(
            f"{shown} is encoded in {row and row[0]}, and mail is in every script. Make one by "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _fill_folded_letters(connection: Native) -> None:
    """Keep what `str.casefold` does to each letter that it changes."""
    # Every script that knows two cases is in the first two planes.
    letters = (chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000)
    with connection.cursor() as cursor, cursor.copy("COPY folded_letters FROM STDIN") as copy:
        for letter in letters:
            if letter != (folded := letter.casefold()):
                copy.write_row((letter, folded))
