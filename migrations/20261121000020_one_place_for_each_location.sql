-- A location of the store is one place at each platform: what is due there is written to one id, and what is told of it has
-- one mirror. Of several ids that were linked to one location, writes went to the smallest: that one stays. What is told of
-- the others lies with the dead letters, as of any place that isn't linked, until it is linked to a location of its own.
-- The owner of the table would see no row.
ALTER TABLE links NO FORCE ROW LEVEL SECURITY;
DELETE FROM links l
WHERE l.kind = 'location' AND EXISTS (
    SELECT FROM links smaller
    WHERE smaller.connection = l.connection AND smaller.kind = 'location' AND smaller.internal = l.internal
        AND smaller.external < l.external);
ALTER TABLE links FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX links_location ON links (connection, internal) WHERE kind = 'location';
