-- What a platform's id is in the store's own terms. A link never changes once it is made.
CREATE TABLE links (
    tenant text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('product', 'variant', 'item', 'location')),
    external text COLLATE "C" NOT NULL,
    internal text COLLATE "C" NOT NULL,
    PRIMARY KEY (connection, kind, external)
);
-- The way back: which platforms know this product, variant or location.
CREATE INDEX links_internal ON links (internal, kind, connection);
