-- The times at which a list is read as a whole, as a cron pattern by the store's clock; null: the default ones.
ALTER TABLE collection_states ADD COLUMN whole_times text;

-- Other times are a change of the set-up for whoever reads the connection's lists, as a request is.
CREATE TRIGGER notify_times AFTER UPDATE OF whole_times ON collection_states FOR EACH ROW
    WHEN (NEW.whole_times IS DISTINCT FROM OLD.whole_times) EXECUTE FUNCTION notify_read_requested();
