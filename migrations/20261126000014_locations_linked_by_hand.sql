-- Links that an instruction made. A replay into an empty database begins without them: the instruction makes them again.
ALTER TABLE links ADD COLUMN is_instructed boolean NOT NULL DEFAULT false;
