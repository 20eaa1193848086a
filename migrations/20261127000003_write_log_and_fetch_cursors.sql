-- The field's words: a log of writes, cursors of fetches.
ALTER TABLE send_marks RENAME TO write_log;
ALTER INDEX send_marks_pkey RENAME TO write_log_pkey;
ALTER TABLE fetch_marks RENAME TO fetch_cursors;
ALTER INDEX fetch_marks_pkey RENAME TO fetch_cursors_pkey;
