-- An index row holds about 2,700 bytes, and a merchant's number may be longer: Postgres then refuses the row itself. The
-- first 255 characters take 1,020 bytes at most; who looks a number up compares the rest too. All other texts in indexes
-- are ids, which are bounded where they are made.
DROP INDEX variants_sku;
CREATE INDEX variants_sku ON variants (store, left(sku, 255)) WHERE sku IS NOT NULL;
