-- Which version the platform was known to have come to: by a report, or by the reply to a write of ours. A report that is
-- older than this is no news, in a replay as well.
ALTER TABLE send_marks ADD COLUMN observed_version bigint;
