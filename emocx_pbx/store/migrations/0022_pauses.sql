-- Until when nothing is sent to a receiver that asked for rest.
CREATE TABLE receiver_pause (
    name  TEXT PRIMARY KEY,
    until REAL NOT NULL
);
