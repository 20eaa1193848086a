-- The field's words: an event's outcome, an input that was dropped.
ALTER TABLE endings RENAME TO event_outcomes;
ALTER INDEX endings_pkey RENAME TO event_outcomes_pkey;
ALTER INDEX endings_place RENAME TO event_outcomes_position;
ALTER TABLE dismissals RENAME TO dropped_inputs;
ALTER INDEX dismissals_pkey RENAME TO dropped_inputs_pkey;

-- Services of the version before go on under the old names while a roll-out replaces them. A later release drops these views.
CREATE VIEW endings WITH (security_invoker = true) AS SELECT * FROM event_outcomes;
GRANT SELECT ON endings TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE ON endings TO tillflow_pipeline;
CREATE VIEW dismissals WITH (security_invoker = true) AS SELECT * FROM dropped_inputs;
GRANT SELECT ON dismissals TO tillflow_tenant;
GRANT SELECT, INSERT ON dismissals TO tillflow_pipeline;
