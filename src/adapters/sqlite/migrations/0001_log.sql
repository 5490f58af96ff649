-- Times are milliseconds since 1970, UTC. `conv`, `user`, `sender`, `patient` and `created_by`
-- hold the integer keys of conversations and users: a text or blob key in every row and index
-- entry of the log would make each append a third slower.

-- Small facts about the store itself: its epoch, whether it holds demo data.
CREATE TABLE store_meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Everybody that a row here names. `roles` is NULL for who is only named, and not in the
-- directory.
CREATE TABLE users (
  key INTEGER PRIMARY KEY,
  user_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL DEFAULT '',
  email TEXT NOT NULL DEFAULT '',
  roles INTEGER,
  last_seen_at INTEGER
) STRICT;

CREATE TABLE conversations (
  key INTEGER PRIMARY KEY,
  conversation_id BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  patient INTEGER,
  created_by INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  log_start_seq INTEGER NOT NULL DEFAULT 1
) STRICT;

-- One conversation per pair of people, the lower user key first.
CREATE TABLE direct_conversations (
  low INTEGER NOT NULL,
  high INTEGER NOT NULL,
  conv INTEGER NOT NULL,
  PRIMARY KEY (low, high)
) STRICT, WITHOUT ROWID;

-- Members, past ones too: their window, watermarks and own marks.
CREATE TABLE conversation_members (
  conv INTEGER NOT NULL,
  user INTEGER NOT NULL,
  member_role TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER,
  joined_at INTEGER NOT NULL,
  delivered_seq INTEGER NOT NULL,
  read_seq INTEGER NOT NULL,
  read_ord INTEGER NOT NULL,
  read_sender_ord INTEGER NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0,
  muted_until INTEGER,
  archived INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (conv, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_members_by_user ON conversation_members (user, conv);

-- The log of every conversation, appended at the end of the table whatever the conversation.
-- kind: message, edit, delete, react or change. A message row is kept as the message stands
-- now; an edit, delete or react row names its target and holds no text.
CREATE TABLE messages (
  pos INTEGER PRIMARY KEY,
  conv INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  sender INTEGER,
  at INTEGER NOT NULL,
  ord INTEGER NOT NULL,
  sender_ord INTEGER NOT NULL,
  message_id BLOB,
  message_type TEXT,
  client_msg_id TEXT,
  body_hash BLOB,
  target_seq INTEGER,
  reply_to_seq INTEGER,
  composed_at INTEGER,
  edited_at INTEGER,
  deleted_at INTEGER,
  text TEXT,
  attachments TEXT,
  reactions TEXT,
  emoji TEXT,
  is_on INTEGER,
  change TEXT
) STRICT;
-- The fence: no two entries at one place, whoever writes.
CREATE UNIQUE INDEX messages_by_seq ON messages (conv, seq);

-- Earlier texts (and the attachments of deleted messages), for audit and export only.
CREATE TABLE message_revisions (
  conv INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  text TEXT NOT NULL,
  attachments TEXT,
  replaced_at INTEGER NOT NULL,
  PRIMARY KEY (conv, seq, rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE relations (
  patient INTEGER NOT NULL,
  user INTEGER NOT NULL,
  kind TEXT NOT NULL,
  until INTEGER,
  PRIMARY KEY (patient, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX relations_by_user ON relations (user);

CREATE TABLE audit_log (
  pos INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
