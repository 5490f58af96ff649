-- Look-ups that are filled from the log off the acknowledgement's path: everything up to
-- fold.pos is in them; what is above it is looked for in the log itself.

-- Which message a sender sent under a name of their own, for eight days.
CREATE TABLE client_ids (
  conv INTEGER NOT NULL,
  sender INTEGER NOT NULL,
  client_msg_id TEXT NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (conv, sender, client_msg_id)
) STRICT, WITHOUT ROWID;

-- How many countable messages each sender has sent.
CREATE TABLE sender_heads (
  conv INTEGER NOT NULL,
  sender INTEGER NOT NULL,
  sender_ord INTEGER NOT NULL,
  PRIMARY KEY (conv, sender)
) STRICT, WITHOUT ROWID;

-- Where a message is. Its ids grow with time, so this grows at its end.
CREATE TABLE message_ids (
  message_id BLOB NOT NULL PRIMARY KEY,
  pos INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fold (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  pos INTEGER NOT NULL,
  pruned_pos INTEGER NOT NULL
) STRICT;
INSERT INTO fold VALUES (1, 0, 0);
