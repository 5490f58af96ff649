-- Administrators who may read a conversation for a while.

CREATE TABLE break_glass (
  user_id TEXT NOT NULL,
  conversation_id BLOB NOT NULL,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (user_id, conversation_id)
) STRICT, WITHOUT ROWID;
