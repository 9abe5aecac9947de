-- Sessions of the pages and wrong keys at the sign-in: any server of a database knows them.

CREATE TABLE browser_sessions (
    sha256 $text PRIMARY KEY,
    key_id $text NOT NULL REFERENCES keys(id),
    expires_at $timestamp NOT NULL,
    flash $text NOT NULL
) $strict;
CREATE INDEX browser_session_end ON browser_sessions(expires_at);

CREATE TABLE sign_in_failures (
    id $text PRIMARY KEY,
    host $text NOT NULL,
    failed_at $timestamp NOT NULL
) $strict;
CREATE INDEX sign_in_failure_host ON sign_in_failures(host, failed_at);
CREATE INDEX sign_in_failure_age ON sign_in_failures(failed_at);
