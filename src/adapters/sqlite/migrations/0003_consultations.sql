-- Consultations, notifications and people's settings.
--
-- An entry of the log may now also be of kind consultation_started or consultation_ended; its
-- JSON stands in `change`.

-- The id is the key: it grows with time, and the indexes below hold it, so that a page of
-- anybody's consultations is one walk along an index.
CREATE TABLE consultations (
  consultation_id INTEGER PRIMARY KEY,
  conv INTEGER NOT NULL UNIQUE,
  appointment_id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  patient INTEGER NOT NULL,
  doctor INTEGER NOT NULL,
  scheduled_at INTEGER,
  started_at INTEGER,
  ended_at INTEGER,
  notes TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX consultations_by_patient ON consultations (patient);
CREATE INDEX consultations_by_doctor ON consultations (doctor);

-- Who is, or was, a member of a consultation's conversation, in the order of the consultations:
-- conversation_members has theirs in another one.
CREATE TABLE consultation_members (
  user INTEGER NOT NULL,
  consultation_id INTEGER NOT NULL,
  PRIMARY KEY (user, consultation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE notifications (
  pos INTEGER PRIMARY KEY,
  user INTEGER NOT NULL,
  notification_id BLOB NOT NULL,
  type TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  data TEXT,
  action TEXT,
  dedupe_key TEXT,
  created_at INTEGER NOT NULL,
  acked_at INTEGER,
  read_at INTEGER
) STRICT;
CREATE UNIQUE INDEX notifications_by_user ON notifications (user, notification_id);
CREATE UNIQUE INDEX notifications_by_dedupe_key ON notifications (user, dedupe_key)
  WHERE dedupe_key IS NOT NULL;
-- `read_at` is in it so that the count never looks at the rows.
CREATE INDEX notifications_unread ON notifications (user, read_at) WHERE read_at IS NULL;
CREATE INDEX notifications_by_age ON notifications (created_at);

-- JSON that only its writer understands.
CREATE TABLE settings (
  user INTEGER PRIMARY KEY,
  settings TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
