-- The platform's product that listed a variant or an item last, whatever the link leads to: a deletion of that product
-- retires the link. Null as long as no report has listed it; a link that is retired keeps it.
ALTER TABLE links ADD COLUMN product text COLLATE "C";
GRANT UPDATE (product) ON links TO tillflow_pipeline;
CREATE INDEX links_product ON links (connection, product) WHERE product IS NOT NULL AND retired_at IS NULL;
