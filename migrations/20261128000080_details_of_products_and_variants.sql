-- The images, attributes, lab results and prices by quantity, each with the time of the change that set it; null while
-- nobody reported any.
ALTER TABLE products ADD COLUMN details jsonb;
ALTER TABLE variants ADD COLUMN details jsonb;
