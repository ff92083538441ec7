-- Known of a call also after a restart: it is neither tapped nor graded.
ALTER TABLE call ADD COLUMN opted_out INTEGER NOT NULL DEFAULT 0;
