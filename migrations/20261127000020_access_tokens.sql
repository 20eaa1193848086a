-- Access tokens that platforms issue for a few hours, sealed like the credentials that they were issued for. One row per
-- connection; a row without a token says only that somebody is asking for one.
CREATE TABLE access_tokens (
    connection text COLLATE "C" PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
    tenant text COLLATE "C" NOT NULL,
    token bytea,
    key_id text,
    -- Digest of the credentials and the account that it was issued for: with others it is of no use.
    issued_for bytea,
    expires_at timestamptz,
    -- Until then nobody else asks for a new one.
    refreshing_until timestamptz,
    CHECK ((token IS NULL) = (key_id IS NULL) AND (token IS NULL) = (issued_for IS NULL)
        AND (token IS NULL) = (expires_at IS NULL))
);
ALTER TABLE access_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON access_tokens TO tillflow_pipeline USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON access_tokens TO tillflow_pipeline;
