-- Fills in the platforms' products of linked variants, as far as rows say so; reports say the rest. A variant that its
-- platform reported as new has a row of its own, whatever it was linked to later: its id is derived from the platform's.
-- That row's product is the one that the platform's product was linked to, if only one of the connection ever was.
ALTER TABLE links NO FORCE ROW LEVEL SECURITY;
ALTER TABLE variants NO FORCE ROW LEVEL SECURITY;

CREATE FUNCTION pg_temp.own_variant(connection text, external text) RETURNS text LANGUAGE sql AS $$
    SELECT 'var_' || left(encode(sha256(string_agg(
        decode(rpad(lpad(to_hex(octet_length(part)), 2, '0'), 16, '0'), 'hex') || convert_to(part, 'UTF8'),
        ''::bytea ORDER BY place)), 'hex'), 24)
    FROM unnest(ARRAY['var', connection, external]) WITH ORDINALITY AS parts(part, place)
$$;

UPDATE links l SET product = listed.product
FROM (SELECT v.connection, v.external, min(p.external) AS product
      FROM links v
      JOIN variants own ON own.id = pg_temp.own_variant(v.connection, v.external)
      JOIN links p ON p.internal = own.product AND p.kind = 'product' AND p.connection = v.connection
      WHERE v.kind = 'variant'
      GROUP BY v.connection, v.external
      HAVING count(*) = 1) AS listed
WHERE l.connection = listed.connection AND l.kind = 'variant' AND l.external = listed.external;

-- An item is of the product of the connection's variants that are linked alike, if all of them have the same.
UPDATE links l SET product = listed.product
FROM (SELECT v.connection, v.internal, min(v.product) AS product
      FROM links v
      WHERE v.kind = 'variant' AND v.retired_at IS NULL
      GROUP BY v.connection, v.internal
      HAVING count(*) = count(v.product) AND min(v.product) = max(v.product)) AS listed
WHERE l.kind = 'item' AND l.retired_at IS NULL AND l.connection = listed.connection AND l.internal = listed.internal;

DROP FUNCTION pg_temp.own_variant(text, text);
ALTER TABLE variants FORCE ROW LEVEL SECURITY;
ALTER TABLE links FORCE ROW LEVEL SECURITY;
