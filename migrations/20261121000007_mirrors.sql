-- One row: what one platform has of one thing. Values are written alike when they are equal, so that jsonb compares them.
-- `desired`, what was sent and the attempts belong to propagate; `observed`, `held` and `internal` to apply.
CREATE TABLE mirrors (
    connection text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('inventory', 'price', 'product')),
    external text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL DEFAULT '',
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    internal text COLLATE "C",
    observed jsonb,
    observed_version bigint,
    observed_at timestamptz,
    held jsonb,
    desired jsonb,
    desired_number bigint,
    desired_trace text,
    sent jsonb,
    sent_from jsonb,
    sent_state text COLLATE "C"
        CHECK (sent_state IN ('pending', 'unsure', 'echoed', 'acknowledged', 'settled', 'reading', 'refused')),
    sent_key text COLLATE "C",
    -- When its first attempt began; calls that carry a time carry this one, so that every attempt is the same call.
    sent_at timestamptz,
    sent_trace text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT 'epoch',
    last_error text,
    -- What has to be done, if anything. A column of its own, because an index over `desired`, `held` and the state would
    -- be touched by every event; this one changes only when work appears or is done.
    attention text COLLATE "C" GENERATED ALWAYS AS (
        CASE
            WHEN sent_state IN ('pending', 'unsure', 'echoed') THEN 'write'
            WHEN sent_state = 'reading' THEN 'read'
            WHEN desired IS NULL OR desired IS NOT DISTINCT FROM held THEN NULL
            WHEN sent_state = 'refused' AND sent IS NOT DISTINCT FROM desired THEN NULL
            ELSE 'write'
        END
    ) STORED,
    PRIMARY KEY (connection, kind, external, place)
) WITH (fillfactor = 70);
CREATE INDEX mirrors_attention ON mirrors (connection, attention, next_attempt_at) WHERE attention IS NOT NULL;
CREATE INDEX mirrors_store ON mirrors (store);

-- The store's own values in the form of a mirror's; the same as the code's serialisation of them.
CREATE FUNCTION mirror_quantity(quantity numeric) RETURNS jsonb LANGUAGE sql STABLE
    RETURN jsonb_build_object('quantity', trim_scale(quantity)::text);

CREATE FUNCTION mirror_price(minor bigint, currency text) RETURNS jsonb LANGUAGE sql STABLE
    RETURN jsonb_build_object('price', jsonb_build_object('minor', minor, 'currency', currency));

-- A field that nobody told is left as the platform holds it.
CREATE FUNCTION mirror_text(held jsonb, title text, description text) RETURNS jsonb LANGUAGE sql STABLE
    RETURN jsonb_build_object('text', jsonb_build_object(
        'title', coalesce(title, held #>> '{text,title}'),
        'description', coalesce(description, held #>> '{text,description}')));
