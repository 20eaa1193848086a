-- A mirror is one state machine, in code: `state` is all of it, as the model writes it. The columns beside it are what rows
-- are found by. The same state is what propagate notes for replays.

ALTER TABLE mirrors NO FORCE ROW LEVEL SECURITY;
ALTER TABLE send_marks NO FORCE ROW LEVEL SECURITY;

-- The value of one kind in a mirror's old columns.
CREATE FUNCTION pg_temp.bare(kind text, value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE kind WHEN 'inventory' THEN value -> 'quantity' WHEN 'price' THEN value -> 'price' ELSE value -> 'text' END
$$;

CREATE FUNCTION pg_temp.micros(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce((extract(epoch FROM at) * 1000000)::bigint, 0)
$$;

-- A write without a value that it replaces is none any more: the platform is read instead.
CREATE FUNCTION pg_temp.phase(kind text, sent jsonb, sent_from jsonb, sent_state text, sent_key text, sent_at timestamptz,
    attempts integer) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN sent_state IS NULL OR sent_state = 'settled' THEN '"idle"'::jsonb
        WHEN sent_state = 'reading' OR sent_from IS NULL OR sent_key IS NULL
            THEN jsonb_build_object('reading', jsonb_build_object('after', NULL, 'attempts', 0))
        ELSE (
            SELECT CASE sent_state
                WHEN 'acknowledged' THEN jsonb_build_object('acknowledged', jsonb_build_object('write', w, 'version', NULL))
                WHEN 'refused' THEN jsonb_build_object('refused', jsonb_build_object('write', w))
                ELSE jsonb_build_object('writing', jsonb_build_object('write', w, 'meanwhile',
                    CASE sent_state WHEN 'pending' THEN 'nothing' WHEN 'echoed' THEN 'echo' ELSE 'other' END))
            END
            FROM (SELECT jsonb_build_object('value', pg_temp.bare(kind, sent), 'from', pg_temp.bare(kind, sent_from),
                'key', sent_key, 'begun_at', pg_temp.micros(sent_at), 'attempts', greatest(attempts, 1)) AS w) AS made
        )
    END
$$;

CREATE FUNCTION pg_temp.state(kind text, internal text, observed jsonb, observed_version bigint, observed_at timestamptz,
    held jsonb, desired jsonb, phase jsonb, due_at timestamptz, error text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        CASE kind WHEN 'inventory' THEN 'variant' ELSE 'internal' END, internal,
        'observed', CASE WHEN observed IS NOT NULL THEN jsonb_build_object(
            'value', pg_temp.bare(kind, observed), 'version', observed_version, 'at', pg_temp.micros(observed_at)) END,
        'proven', CASE WHEN kind = 'inventory' AND held IS NOT NULL THEN true END,
        'desired', pg_temp.bare(kind, desired)))
        || jsonb_build_object(
            'baseline', CASE WHEN held IS NULL THEN '"unheard"'::jsonb
                WHEN kind = 'inventory' THEN jsonb_build_object('known', pg_temp.bare(kind, held))
                ELSE jsonb_build_object('known', jsonb_build_object('value', pg_temp.bare(kind, held))) END,
            'phase', phase,
            'schedule', jsonb_strip_nulls(jsonb_build_object('due_at', pg_temp.micros(due_at), 'error', error)))
$$;

-- Whether two values differ: in texts, runs of white space count as one space.
CREATE FUNCTION pg_temp.words(field text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT btrim(regexp_replace(field, '\s+', ' ', 'g'))
$$;

CREATE FUNCTION pg_temp.differ(kind text, one jsonb, other jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE kind
        WHEN 'product' THEN pg_temp.words(one ->> 'title') IS DISTINCT FROM pg_temp.words(other ->> 'title')
            OR pg_temp.words(one ->> 'description') IS DISTINCT FROM pg_temp.words(other ->> 'description')
        ELSE one IS DISTINCT FROM other
    END
$$;

-- The work that a state is due for. The old column knew no reading of what was never reported: such a row would be claimed
-- as a write for ever and never be written or read.
CREATE FUNCTION pg_temp.attention(kind text, internal text, state jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN state -> 'phase' ? 'writing' THEN 'write'
        WHEN state -> 'phase' ? 'reading' THEN 'read'
        WHEN internal IS NULL OR state -> 'desired' IS NULL THEN NULL
        WHEN state -> 'baseline' = '"unheard"' THEN 'read'
        WHEN pg_temp.differ(kind, CASE kind WHEN 'inventory' THEN state #> '{baseline,known}'
                ELSE state #> '{baseline,known,value}' END, state -> 'desired') THEN 'write'
    END
$$;

ALTER TABLE mirrors ADD COLUMN state jsonb;
UPDATE mirrors SET state = pg_temp.state(kind, internal, observed, observed_version, observed_at, held, desired,
    pg_temp.phase(kind, sent, sent_from, sent_state, sent_key, sent_at, attempts), next_attempt_at, last_error);
ALTER TABLE mirrors ALTER COLUMN state SET NOT NULL;

ALTER TABLE mirrors ADD COLUMN due text COLLATE "C" CHECK (due IN ('write', 'read', 'answer'));
UPDATE mirrors SET due = pg_temp.attention(kind, internal, state);
DROP INDEX mirrors_attention;
ALTER TABLE mirrors DROP COLUMN attention, DROP COLUMN observed, DROP COLUMN observed_version, DROP COLUMN observed_at,
    DROP COLUMN held, DROP COLUMN desired, DROP COLUMN desired_number, DROP COLUMN desired_trace, DROP COLUMN sent,
    DROP COLUMN sent_from, DROP COLUMN sent_state, DROP COLUMN sent_key, DROP COLUMN sent_at, DROP COLUMN sent_trace,
    DROP COLUMN attempts, DROP COLUMN last_error;
-- What has to be done at the platform, or by a person, if anything.
ALTER TABLE mirrors RENAME COLUMN due TO attention;
CREATE INDEX mirrors_attention ON mirrors (connection, attention, next_attempt_at) WHERE attention IS NOT NULL;
-- All platforms' mirrors of a variant: those that a first contact is decided by.
CREATE INDEX mirrors_internal ON mirrors (internal) WHERE internal IS NOT NULL;

ALTER TABLE send_marks ADD COLUMN state jsonb;
UPDATE send_marks SET state = pg_temp.state(kind, internal, held, observed_version, recorded_at, held, NULL,
    pg_temp.phase(kind, sent, sent_from, sent_state, sent_key, recorded_at, 1), recorded_at, last_error);
ALTER TABLE send_marks ALTER COLUMN state SET NOT NULL, DROP COLUMN held, DROP COLUMN sent, DROP COLUMN sent_from,
    DROP COLUMN sent_state, DROP COLUMN sent_key, DROP COLUMN last_error, DROP COLUMN observed_version;

DROP FUNCTION mirror_quantity(numeric), mirror_price(bigint, text), mirror_text(jsonb, text, text);

ALTER TABLE mirrors FORCE ROW LEVEL SECURITY;
ALTER TABLE send_marks FORCE ROW LEVEL SECURITY;

-- A link is retired when what it links is gone from the platform, and may lead elsewhere later.
ALTER TABLE links ADD COLUMN retired_at timestamptz;
GRANT UPDATE (internal, retired_at) ON links TO tillflow_pipeline;
