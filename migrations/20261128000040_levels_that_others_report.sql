-- When the page that an object was seen on was requested, in microseconds. A level that another source reported after that
-- is listed again as a report, though the list shows what it showed before. Null for what was seen before this migration.
ALTER TABLE listed_objects ADD COLUMN seen_at bigint;
