-- The field's words: an event's outcome, an input that was dropped.
ALTER TABLE endings RENAME TO event_outcomes;
ALTER INDEX endings_pkey RENAME TO event_outcomes_pkey;
ALTER INDEX endings_place RENAME TO event_outcomes_position;
ALTER TABLE dismissals RENAME TO dropped_inputs;
ALTER INDEX dismissals_pkey RENAME TO dropped_inputs_pkey;
