-- All customers of a connection are found at once when their personal data has to be erased.
CREATE INDEX customers_connection ON customers (connection, id);
