-- The audit log as a chain; audit_log keeps what was written before there was one.

-- One row per entry; hash is over all other columns, prev_hash is the hash of the one before it.
CREATE TABLE audit_chain (
  node TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  ip TEXT,
  agent TEXT,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (node, seq)
) STRICT, WITHOUT ROWID;

-- The last entry of each chain, with a MAC of a key that is not in here.
CREATE TABLE audit_heads (
  node TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;
