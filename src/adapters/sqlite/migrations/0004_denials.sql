-- Who and what is not let in.

-- kind is issued (tokens of the user `id` from before the time `issued_before`), token (the one whose
-- jti is `id`) or block (the user `id`, whatever their token). Nothing here expires: nobody knows
-- how long the longest token lives. Each change counts up denials_version in store_meta.
CREATE TABLE denials (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  issued_before INTEGER,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
