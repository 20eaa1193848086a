-- The field's words: a log of writes, cursors of fetches.
ALTER TABLE send_marks RENAME TO write_log;
ALTER INDEX send_marks_pkey RENAME TO write_log_pkey;
ALTER TABLE fetch_marks RENAME TO fetch_cursors;
ALTER INDEX fetch_marks_pkey RENAME TO fetch_cursors_pkey;

-- Services of the version before go on under the old names while a roll-out replaces them. A later release drops these views.
CREATE VIEW send_marks WITH (security_invoker = true) AS SELECT * FROM write_log;
GRANT SELECT ON send_marks TO tillflow_tenant;
GRANT SELECT, INSERT ON send_marks TO tillflow_pipeline;
CREATE VIEW fetch_marks WITH (security_invoker = true) AS SELECT * FROM fetch_cursors;
GRANT SELECT, INSERT, UPDATE ON fetch_marks TO tillflow_pipeline;
