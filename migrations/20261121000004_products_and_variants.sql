-- `<field>_at` is the clock of the field: null while nobody told it. The later change wins, field by field.
CREATE TABLE products (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    title text,
    title_at timestamptz,
    description text,
    description_at timestamptz,
    vendor text,
    vendor_at timestamptz,
    category text,
    category_at timestamptz,
    status text COLLATE "C" CHECK (status IN ('active', 'draft', 'archived')),
    status_at timestamptz,
    tags jsonb,
    tags_at timestamptz,
    deleted_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX products_store ON products (store);

CREATE TABLE variants (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    product text COLLATE "C" NOT NULL,
    title text,
    title_at timestamptz,
    sku text COLLATE "C",
    sku_at timestamptz,
    barcode text,
    barcode_at timestamptz,
    price_minor bigint,
    price_currency text COLLATE "C",
    price_at timestamptz,
    compare_at_price_minor bigint,
    compare_at_price_currency text COLLATE "C",
    compare_at_price_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX variants_product ON variants (product);
-- Not unique: merchants do give two variants one number. Matching by number then refuses to choose.
CREATE INDEX variants_sku ON variants (store, sku) WHERE sku IS NOT NULL;
