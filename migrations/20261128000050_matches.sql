-- Matches: which items of platforms may be one, beyond what links by SKU find.

-- The score, per mille, from which a match is linked without a person; null: never. Stores that existed before have none:
-- no upgrade changes prices and stock at platforms without a person. Stores that are created later begin with the score
-- that the model proposes.
ALTER TABLE stores ADD COLUMN match_limit smallint CHECK (match_limit BETWEEN 1 AND 1000);
ALTER TABLE stores ALTER COLUMN match_limit SET DEFAULT 900;
-- False until the variants that a store had before there were matches wait in `match_due`.
ALTER TABLE stores ADD COLUMN is_matched boolean NOT NULL DEFAULT false;
ALTER TABLE stores ALTER COLUMN is_matched SET DEFAULT true;
CREATE INDEX stores_unmatched ON stores (id) WHERE NOT is_matched;

-- The variants to be compared: one row for each whose description or links changed, so that there are never more than variants.
-- `marks` counts the changes: a row that changed while its variant was compared stays. With `is_item_only` just the
-- variant's own matches are decided again; without, it may also be one that others match.
CREATE TABLE match_due (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    variant text COLLATE "C" NOT NULL,
    marks bigint NOT NULL DEFAULT 1,
    is_item_only boolean NOT NULL DEFAULT false,
    PRIMARY KEY (store, variant)
) WITH (fillfactor = 70);

-- Hashes of what descriptions may have in common: numbers, names, words. No texts.
CREATE TABLE match_keys (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    key bigint NOT NULL,
    variant text COLLATE "C" NOT NULL,
    PRIMARY KEY (store, key, variant)
);
CREATE INDEX match_keys_variant ON match_keys (variant);

-- An item of a platform and a variant that it may be. At most one row for each pair, whatever becomes of it.
CREATE TABLE match_candidates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    -- The platform's id of the item, and the variant that it was linked to when it was matched.
    external text COLLATE "C" NOT NULL,
    variant text COLLATE "C" NOT NULL,
    candidate text COLLATE "C" NOT NULL,
    score smallint NOT NULL CHECK (score BETWEEN 0 AND 1000),
    reasons text[] NOT NULL,
    state text COLLATE "C" NOT NULL
        CHECK (state IN ('proposed', 'automatic', 'accepted', 'rejected', 'superseded')),
    -- The number of times that it was proposed again after an end: part of the id of its instruction.
    round integer NOT NULL DEFAULT 0,
    was_rejected boolean NOT NULL DEFAULT false,
    decided_by text,
    note text,
    -- Of a match that is made: the position in RAW before its instruction, and the times at which the intake had the
    -- instruction and at which the link was seen.
    after_raw bigint NOT NULL DEFAULT 0,
    instructed_at timestamptz,
    linked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (connection, external, candidate)
) WITH (fillfactor = 70);
CREATE INDEX match_candidates_variant ON match_candidates (variant);
CREATE INDEX match_candidates_candidate ON match_candidates (candidate);
CREATE INDEX match_candidates_store ON match_candidates (store, id);
CREATE INDEX match_candidates_waiting ON match_candidates (store, id) WHERE state = 'proposed';
CREATE INDEX match_candidates_under_way ON match_candidates (store, id)
    WHERE state IN ('automatic', 'accepted') AND linked_at IS NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['match_due', 'match_keys', 'match_candidates']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY pipeline ON %I TO tillflow_pipeline USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY own_rows ON %I FOR SELECT TO tillflow_tenant '
            'USING (tenant = current_setting(''tillflow.tenant'', true))', name);
    END LOOP;
END $$;
GRANT SELECT ON match_due, match_keys, match_candidates TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON match_due, match_keys, match_candidates TO tillflow_pipeline;

-- Row by row, as most changes of variants are prices, which these conditions leave out without a call.
CREATE FUNCTION note_variant_to_match() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_due AS d (tenant, store, variant) VALUES (NEW.tenant, NEW.store, NEW.id)
    ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1, is_item_only = false;
    RETURN NULL;
END $$;
CREATE TRIGGER match_insert AFTER INSERT ON variants FOR EACH ROW EXECUTE FUNCTION note_variant_to_match();
CREATE TRIGGER match_update AFTER UPDATE ON variants FOR EACH ROW
    WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.sku IS DISTINCT FROM NEW.sku
        OR OLD.barcode IS DISTINCT FROM NEW.barcode OR OLD.product <> NEW.product)
    EXECUTE FUNCTION note_variant_to_match();

CREATE FUNCTION note_product_to_match() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_due AS d (tenant, store, variant)
    SELECT v.tenant, v.store, v.id FROM variants v WHERE v.product = NEW.id ORDER BY v.id
    ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1, is_item_only = false;
    RETURN NULL;
END $$;
CREATE TRIGGER match_update AFTER UPDATE ON products FOR EACH ROW
    WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.vendor IS DISTINCT FROM NEW.vendor)
    EXECUTE FUNCTION note_product_to_match();

CREATE FUNCTION note_link_to_match() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.internal END;
BEGIN
    INSERT INTO match_due AS d (tenant, store, variant)
    SELECT v.tenant, v.store, v.id FROM variants v WHERE v.id IN (before, NEW.internal) ORDER BY v.id
    ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1, is_item_only = false;
    RETURN NULL;
END $$;
CREATE TRIGGER match_insert AFTER INSERT ON links FOR EACH ROW WHEN (NEW.kind = 'variant')
    EXECUTE FUNCTION note_link_to_match();
CREATE TRIGGER match_update AFTER UPDATE ON links FOR EACH ROW
    WHEN (NEW.kind = 'variant' AND (OLD.internal <> NEW.internal OR OLD.retired_at IS DISTINCT FROM NEW.retired_at))
    EXECUTE FUNCTION note_link_to_match();
