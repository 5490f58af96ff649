// A stand-in of the server for unit tests of the client: no network, no real time.

import { mock } from 'node:test';

export const ME = 'u1';
export const YOU = 'u2';
export const START = Date.parse('2026-03-02T09:00:00.000Z');

/** Stops time; `pass` lets it go on, so that a test of hours takes milliseconds. */
export function stopTime() {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: START });
}
export async function pass(ms = 0) {
  await settle();
  for (let left = ms; left > 0; left -= 50) {
    mock.timers.tick(Math.min(50, left));
    await settle();
  }
}
async function settle() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

export class FakeStorage {
  items = new Map();
  get length() { return this.items.size; }
  key(i) { return [...this.items.keys()][i] ?? null; }
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) { this.items.set(key, value); }
  removeItem(key) { this.items.delete(key); }
}

/** What the browser's window would dispatch. */
export const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
export const dispatch = (type, fields = {}) => page.dispatchEvent(Object.assign(new Event(type), fields));

export class World {
  sockets = [];
  commands = []; // everything that any client sent: {type, data}
  logs = new Map(); // by conversation id: entries {seq, type, data}
  epoch = 'epoch-1';
  refuse = new Map(); // by command type: errors to answer with, one each
  silent = new Set(); // command types that get no answer
  down = false;
  mayReplay = 200;

  constructor(...ids) {
    for (const id of ids) this.logs.set(id, []);
    const world = this;
    this.WebSocket = class {
      constructor(url, protocols) {
        Object.assign(this, { url, protocols, open: false });
        world.sockets.push(this);
        queueMicrotask(() => (world.down ? this.end(1006) : this.begin()));
      }
      begin() {
        this.open = true;
        this.onopen?.();
      }
      send(text) {
        if (this.open) world.take(this, JSON.parse(text));
      }
      close(code = 1000) {
        this.closedWith = code;
        this.open = false;
      }
      end(code) {
        this.open = false;
        this.onclose?.({ code });
      }
      tell(frame) {
        this.onmessage?.({ data: JSON.stringify(frame) });
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  sent(type) {
    return this.commands.filter((c) => c.type === type).map((c) => c.data);
  }

  take(socket, { id, type, data }) {
    this.commands.push({ type, data });
    if (this.silent.has(type)) return;
    const error = this.refuse.get(type)?.shift();
    if (error) {
      socket.tell({ reply_to: id, error });
    } else {
      const reply = this[type]?.(data, socket) ?? {};
      socket.tell({ reply_to: id, data: reply });
    }
  }

  /** Puts something into a log; tells nobody. */
  log(id, type, data) {
    const entry = { seq: this.logs.get(id).length + 1, type, data };
    this.logs.get(id).push(entry);
    return entry;
  }
  says(id, text, { from = YOU, client_msg_id } = {}) {
    const created_at = new Date(Date.now()).toISOString();
    return this.log(id, 'message.created', { message_id: `m-${id}-${this.logs.get(id).length + 1}`, sender_id: from, type: 'text', text, client_msg_id, created_at });
  }
  tell(id, entry) {
    this.socket.tell({ conversation_id: id, ...entry });
  }

  me(id) {
    const log = this.logs.get(id);
    return { member_role: 'member', first_seq: 1, delivered_up_to_seq: 0, read_up_to_seq: 0, unread_count: log.filter((e) => e.type === 'message.created' && e.data.sender_id !== ME).length, pinned: false, archived: false };
  }
  info(id) {
    const log = this.logs.get(id);
    const last = log.findLast((e) => e.type === 'message.created');
    const member = (user_id) => ({ user_id, name: user_id.toUpperCase(), roles: ['doctor'], member_role: 'member', first_seq: 1, joined_at: new Date(START).toISOString(), delivered_up_to_seq: 0, read_up_to_seq: 0 });
    return {
      conversation_id: id, kind: 'direct', title: '', created_by: ME, created_at: new Date(START).toISOString(), state: 'open', head_seq: log.length, log_start_seq: 1,
      last_activity_at: new Date(START).toISOString(), last_message: last && { seq: last.seq, ...last.data }, me: this.me(id), members: [member(ME), member(YOU)],
    };
  }

  'session.hello'(data, socket) {
    socket.tell({ type: 'session.welcome', data: {
      session_id: 's', user: { user_id: ME, name: 'Me', roles: ['patient'] }, store_epoch: this.epoch, server_time: new Date(Date.now()).toISOString(),
      ping_interval_ms: 25_000, limits: { text_bytes_max: 16_384, frame_bytes_max: 131_072, resume_positions_max: 1_000, history_page_max: 200, edit_window_ms: 900_000 },
    } });
  }

  'sync.resume'({ positions }, socket) {
    for (const [id, position] of Object.entries(positions)) {
      const log = this.logs.get(id);
      if (log.length - position > this.mayReplay) {
        socket.tell({ type: 'sync.reset', conversation_id: id, data: { head_seq: log.length, first_seq: 1, log_start_seq: 1 } });
      } else if (log.length > position) {
        socket.tell({ type: 'sync.batch', conversation_id: id, data: { events: log.slice(position), head_seq: log.length } });
      }
    }
    const named = Object.keys(positions);
    return {
      store_epoch: this.epoch,
      conversations: [...this.logs.keys()].filter((id) => !named.includes(id)).slice(0, 200).map((id) => this.info(id)),
      watermarks: named.map((id) => ({ conversation_id: id, head_seq: this.logs.get(id).length, me: this.me(id), receipts: [] })),
      gone: [],
    };
  }

  'message.history'({ conversation_id: id, after_seq: after, before_seq: before, limit }) {
    const log = this.logs.get(id);
    const end = before ? before - 1 : log.length;
    const events = after === undefined ? log.slice(Math.max(0, end - limit), end) : log.slice(after, after + limit);
    const has_more = after === undefined ? end > limit : after + limit < log.length;
    return { events, head_seq: log.length, first_seq: 1, log_start_seq: 1, has_more };
  }

  'message.send'({ conversation_id: id, text, client_msg_id }) {
    const log = this.logs.get(id);
    const old = log.find((e) => e.data.client_msg_id === client_msg_id);
    const { seq, data } = old ?? this.says(id, text, { from: ME, client_msg_id });
    return { conversation_id: id, message_id: data.message_id, seq, created_at: data.created_at, duplicate: Boolean(old) };
  }

  'presence.watch'({ user_ids }) {
    return { presence: user_ids.map((user_id) => ({ user_id, online: true, status: 'available' })) };
  }
  'conversation.subscribe'() {
    return { typing: [], presence: [] };
  }
  'receipt.read'({ up_to_seq }) {
    return { up_to_seq, unread_count: 0 };
  }
  'receipt.deliver'({ up_to_seq }) {
    return { up_to_seq, unread_count: 0 };
  }
}
