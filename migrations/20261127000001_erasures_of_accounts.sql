-- Which accounts' data had to be erased, and when: dead letters that came before are erased by it.
CREATE INDEX conflicts_erase_account ON conflicts (connection, last_seen_at) WHERE kind = 'erase_account';
