// The Bedside client: one WebSocket, a local copy of the conversations in which nothing is
// missing and nothing is there twice, and an outbox that survives a reload.
//
//   const client = new BedsideClient({ url: 'wss://clinic.example/ws', getToken });
//   client.on('change', ({ conversationId }) => draw(client.messages(conversationId)));
//   client.connect();
//   await client.send({ conversationId, text: 'Good morning' }).stored;
//
// Events: `state` {state, delay?, attempt?, reason?}, `change` {conversationId?}, `message`
// {conversationId, message}, `confirm-needed` (an outbox message), `presence` (one person), and
// every event of the server under its own wire name, as the frame that came.

const SUBPROTOCOL = 'bedside.v1.json';
/** An unsent message older than this is not sent without asking: what it says may be past. */
export const ASK_AFTER_MS = 15 * 60_000;
/** The server keeps `composed_at` only beyond this lag; the local copy does the same. */
const COMPOSED_AT_LAG_MS = 2 * 60_000;
const BACKOFF_MIN_MS = 300;
const BACKOFF_MAX_MS = 15_000;
const REQUEST_TIMEOUT_MS = 10_000;
const TICK_MS = 5_000;
/** A message of another tab is left to that tab for this long. */
const OTHER_TAB_GRACE_MS = 30_000;
const RECEIPT_DEBOUNCE_MS = 200;
/** A live event may overtake its predecessor's reply; a hole that lasts longer is filled. */
const HOLE_PATIENCE_MS = 100;
const PAGE = 50;
const CACHED_MESSAGES = 50;
const PREFETCHED_CONVERSATIONS = 30;
const FILL_PAGES_MAX = 5;
const COUNTABLE = new Set(['text', 'image', 'file', 'voice']);

/** Why a command was refused: the server's code, or `timeout`, `disconnected`, `discarded`. */
export class BedsideError extends Error {
  constructor({ code, message = code, retry_after_ms = 0 }) {
    super(message);
    this.name = 'BedsideError';
    this.code = code;
    this.retryAfterMs = retry_after_ms;
  }
  /** Whether the same command may succeed later. */
  get retryable() {
    return ['rate_limited', 'unavailable', 'timeout', 'disconnected'].includes(this.code);
  }
}

/** How long to wait before the attempt with this number (0 is the first): full jitter. */
export function reconnectDelay(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (attempt + 1));
  return Math.round(BACKOFF_MIN_MS + random() * (ceiling - BACKOFF_MIN_MS));
}

/** What a close code asks for, by its range, so that codes not yet invented work too. */
export function closeAction(code) {
  if (code === 1000 || code === 4409) return 'stop'; // 4409: another window took this one's place
  if (code >= 4400 && code <= 4499) return 'new-token';
  if ([1002, 1003, 1007, 1009].includes(code)) return 'reconnect-slowly'; // our own fault
  return 'reconnect';
}

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
const ignore = () => {};

/** What this browser keeps for one user. One key per entry: tabs never overwrite each other. */
class Shelf {
  constructor(storage, userId) {
    this.storage = storage;
    // Encoded, so that no user's prefix is the beginning of another's.
    this.prefix = `bedside:${encodeURIComponent(userId)}:`;
  }
  names(kind = '') {
    const names = [];
    try {
      for (let i = 0; i < this.storage.length; i += 1) {
        const key = this.storage.key(i);
        if (key.startsWith(this.prefix + kind)) names.push(key.slice(this.prefix.length));
      }
    } catch { /* storage is switched off: there is nothing */ }
    return names;
  }
  get(name) {
    try {
      return JSON.parse(this.storage.getItem(this.prefix + name));
    } catch {
      return null;
    }
  }
  has(name) {
    return this.storage.getItem(this.prefix + name) !== null;
  }
  put(name, value) {
    const text = JSON.stringify(value);
    try {
      this.storage.setItem(this.prefix + name, text);
      return true;
    } catch { /* full */ }
    try {
      // The cache can be had again from the server, an unsent message cannot.
      for (const cached of this.names('conv:')) this.remove(cached);
      this.storage.setItem(this.prefix + name, text);
      return true;
    } catch {
      return false;
    }
  }
  remove(name) {
    try {
      this.storage.removeItem(this.prefix + name);
    } catch { /* was never kept */ }
  }
  wipe() {
    for (const name of this.names()) this.remove(name);
  }
}

/**
 * One conversation: the fields of the wire's `Conversation`, and a window of its log without
 * holes, from `oldest` to `position`, as it stands after the event at `position`.
 */
class Conversation {
  messages = new Map(); // by seq, ascending
  complete = false; // nothing older is to be had
  early = new Map(); // events beyond a hole, by seq
  late = null; // changes to messages that a page under way may bring in an older state
  filling = false;

  constructor(info, userId, position = info.head_seq) {
    this.userId = userId;
    this.position = position;
    this.oldest = position + 1;
    this.take(info);
  }

  /** Takes in how the server describes it. */
  take(info) {
    for (const key of ['kind', 'title', 'patient_id', 'created_at', 'created_by', 'state', 'log_start_seq',
      'last_activity_at', 'me', 'members']) this[key] = info[key];
    this.id = info.conversation_id;
    // A list that was read before a live event must not take that event back.
    if ((info.last_message?.seq ?? 0) >= (this.last_message?.seq ?? 0)) this.last_message = info.last_message;
    this.#countBeyond(info.head_seq);
  }

  /** Takes in where it stands, after a resume. */
  takeWatermarks({ head_seq, me, receipts }) {
    this.me = me;
    for (const receipt of receipts) this.takeReceipt(receipt);
    this.#countBeyond(head_seq);
  }

  /** The server counted up to `head`; what came since then counts too. */
  #countBeyond(head) {
    for (const m of this.messages.values()) if (m.seq > head && this.#counts(m)) this.me.unread_count += 1;
  }

  #counts(m) {
    return m.sender_id !== undefined && m.sender_id !== this.userId && COUNTABLE.has(m.type);
  }

  takeReceipt({ user_id, delivered_up_to_seq, read_up_to_seq }) {
    const own = user_id === this.userId ? [this.me] : [];
    for (const marks of [...this.members.filter((m) => m.user_id === user_id), ...own]) {
      marks.delivered_up_to_seq = Math.max(marks.delivered_up_to_seq, delivered_up_to_seq);
      marks.read_up_to_seq = Math.max(marks.read_up_to_seq, read_up_to_seq);
    }
    const read = this.me.read_up_to_seq;
    if (own.length && read + 1 >= Math.min(this.oldest, this.position + 1)) { // else the server knows better
      this.me.unread_count = [...this.messages.values()].filter((m) => m.seq > read && this.#counts(m)).length;
    }
  }

  /** The other one of a direct conversation. */
  get peer() {
    return this.kind === 'direct' ? this.members.find((m) => m.user_id !== this.userId) : undefined;
  }

  get writable() {
    const { member_role: role, last_seq: left } = this.me;
    return this.state !== 'read_only' && left === undefined && role !== 'observer'
      && (this.kind !== 'broadcast' || role === 'admin');
  }

  /** stored, delivered or read: how far the slowest other member has come. */
  statusOf(message) {
    const others = this.members.filter((m) => m.user_id !== this.userId && m.last_seq === undefined);
    if (!others.length) return 'stored';
    if (others.every((m) => m.read_up_to_seq >= message.seq)) return 'read';
    const arrived = (m) => Math.max(m.delivered_up_to_seq, m.read_up_to_seq) >= message.seq;
    return others.every(arrived) ? 'delivered' : 'stored';
  }

  /** The newest seq of somebody else's message in the window; 0 for none. */
  get newestOfOthers() {
    let newest = 0;
    for (const m of this.messages.values()) if (m.sender_id !== this.userId && !m.change) newest = Math.max(newest, m.seq);
    return newest;
  }

  /** Takes one event in; returns those that could now be applied, in order. */
  receive(event, { dense = false } = {}) {
    if (event.seq <= this.position) return []; // seen
    if (event.seq > this.position + 1 && !dense) {
      this.early.set(event.seq, event);
      return [];
    }
    this.#apply(event);
    return [event, ...this.#drain()];
  }

  /** The log has nothing more up to `head`: what looked like a hole is outside our window. */
  settle(head) {
    this.position = Math.max(this.position, head);
    return this.#drain();
  }

  #drain() {
    const applied = [];
    for (const seq of [...this.early.keys()].sort((a, b) => a - b)) {
      if (seq > this.position + 1) break;
      const event = this.early.get(seq);
      this.early.delete(seq);
      if (seq <= this.position) continue;
      this.#apply(event);
      applied.push(event);
    }
    return applied;
  }

  #apply({ seq, type, data }) {
    this.position = seq; // whatever it is: a type of a later version advances too
    if (type === 'message.created') {
      const message = { ...data, seq };
      this.messages.set(seq, message);
      this.last_message = message;
      this.last_activity_at = data.created_at;
      if (seq > this.me.read_up_to_seq && this.#counts(message)) this.me.unread_count += 1;
    } else if (type === 'conversation.changed') {
      this.messages.set(seq, { ...data, seq });
      this.#change(data);
    } else {
      this.#amend(type, data);
    }
  }

  /** An edit, a delete or a reaction. */
  #amend(type, data) {
    const amend = (m) => {
      if (!m || m.deleted_at) return m;
      if (type === 'message.updated') return { ...m, text: data.text, edited_at: data.edited_at };
      if (type === 'message.deleted') {
        return { ...m, text: '', attachments: [], reactions: [], deleted_at: data.deleted_at };
      }
      if (type === 'message.reacted') return { ...m, reactions: react(m.reactions ?? [], data) };
      return m;
    };
    const target = data?.target_seq;
    if (this.messages.has(target)) this.messages.set(target, amend(this.messages.get(target)));
    else this.late?.push([type, data]);
    if (this.last_message?.seq === target) this.last_message = amend(this.last_message);
  }

  #change(data) {
    if (data.change === 'updated') this.title = data.title;
    if (data.change === 'state') this.state = data.state;
    if (data.change === 'member_removed' || data.change === 'member_left') {
      this.members = this.members.filter((m) => m.user_id !== data.user_id);
      if (data.user_id === this.userId) this.me.last_seq = this.position;
    }
    if (data.change === 'member_added') {
      const member = this.members.find((m) => m.user_id === data.user_id);
      if (member) member.member_role = data.member_role;
      if (data.user_id === this.userId) this.me = { ...this.me, member_role: data.member_role, last_seq: undefined };
    }
  }

  /** Puts an older page in front. Its messages come as they stand now, so its edits, deletes
   *  and reactions are in them already; only those that overtook the page are still to do. */
  addOlder(page) {
    const older = new Map();
    for (const { seq, type, data } of page.events) {
      if (seq < this.oldest && (type === 'message.created' || type === 'conversation.changed')) {
        older.set(seq, { ...data, seq });
      }
    }
    for (const [seq, message] of this.messages) older.set(seq, message);
    this.messages = older;
    if (page.events.length) this.oldest = Math.min(this.oldest, page.events[0].seq);
    this.complete = !page.has_more;
    const late = this.late ?? [];
    this.late = null;
    for (const [type, data] of late) this.#amend(type, data);
  }

  /** Forgets the window: the next page comes from the newest end. */
  reset(head) {
    this.messages.clear();
    this.early.clear();
    this.complete = false;
    this.position = head;
    this.oldest = head + 1;
  }

  toCache(epoch) {
    const messages = [...this.messages.values()].slice(-CACHED_MESSAGES);
    const whole = messages.length === this.messages.size;
    const { id: conversation_id, position: head_seq, kind, title, patient_id, created_at, created_by, state,
      log_start_seq, last_activity_at, last_message, me, members } = this;
    return {
      epoch, messages, oldest: whole ? this.oldest : messages[0].seq, complete: whole && this.complete,
      info: { conversation_id, head_seq, kind, title, patient_id, created_at, created_by, state,
        log_start_seq, last_activity_at, last_message, me, members },
    };
  }

  static fromCache(cached, userId) {
    const conversation = new Conversation(cached.info, userId);
    for (const message of cached.messages) conversation.messages.set(message.seq, message);
    conversation.oldest = cached.oldest;
    conversation.complete = cached.complete;
    return conversation;
  }
}

function react(reactions, { emoji, user_id, on }) {
  const others = reactions.find((r) => r.emoji === emoji)?.user_ids.filter((id) => id !== user_id) ?? [];
  const now = { emoji, user_ids: on ? [...others, user_id] : others };
  const rest = reactions.some((r) => r.emoji === emoji)
    ? reactions.map((r) => (r.emoji === emoji ? now : r))
    : [...reactions, now];
  return rest.filter((r) => r.user_ids.length);
}

export class BedsideClient {
  /** The conversations, by id. Read them; change them only through this client. */
  conversations = new Map();
  /** Messages that are not known to be stored, by `client_msg_id`, oldest first. */
  outbox = new Map();
  /** Last known presence, by user id. */
  presence = new Map();
  user = null;
  userId = null;
  state = 'offline';
  limits = {};

  #options;
  #listeners = new Map();
  #shelf = null;
  #epoch = null;
  #ws = null;
  #ready = false; // welcomed: commands may go out
  #calls = new Map();
  #nextCall = 1;
  #attempt = 0;
  #retryTimer = null;
  #openTimer = null;
  #tickTimer = null;
  #lastFrameAt = 0;
  #pingIntervalMs = 25_000;
  #probing = false;
  #closing = null;
  #token = null;
  #renew = null; // the close code that made the last token useless
  #lanes = new Set();
  #written = 0;
  #receipts = new Map();
  #receiptTimer = null;
  #subscriptions = new Set();
  #watched = [];
  #typing = null;
  #unsaved = new Set();
  #saveTimer = null;
  #relisting = null;
  #relists = 0;
  #limbo = new Map(); // events of conversations not yet known, by id

  /**
   * @param {object} options
   * @param {string} options.url `wss://…/ws`
   * @param {string} [options.token] a JWT, or:
   * @param {(why: {renew: number|null}) => Promise<string|null>} [options.getToken] gives the
   *   token; `renew` is the close code that says the last one is of no more use (4402 for one
   *   that runs out). None: signed out.
   * @param {Storage|null} [options.storage] localStorage by default; null: this page's memory
   * @param {string} [options.userId] shows cache and outbox before the server was reached
   * @param {typeof WebSocket} [options.WebSocket] for tests and other runtimes
   */
  constructor(options) {
    this.#options = { storage: ownStorage(), WebSocket: globalThis.WebSocket, ...options };
    if (options.userId) this.#adopt(options.userId);
    const on = globalThis.addEventListener?.bind(globalThis) ?? ignore;
    on('online', () => this.#hurry());
    on('offline', () => this.#ready && this.#drop());
    on('pagehide', () => this.#save());
    on('storage', (event) => this.#otherTab(event));
    globalThis.document?.addEventListener('visibilitychange', () => {
      if (globalThis.document.hidden) this.#save();
      else this.#hurry();
    });
  }

  /** Calls `fn` for each event of this name; returns what undoes it. */
  on(name, fn) {
    const fns = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, fns.add(fn));
    return () => fns.delete(fn);
  }

  #emit(name, detail) {
    for (const fn of this.#listeners.get(name) ?? []) {
      try {
        fn(detail);
      } catch (fault) {
        console.error(fault); // a listener's fault must not stop the log
      }
    }
  }

  #changed(conversation) {
    if (conversation) {
      this.#unsaved.add(conversation.id);
      this.#saveTimer ??= setTimeout(() => this.#save(), 1_000);
    }
    this.#emit('change', { conversationId: conversation?.id });
  }

  // --- Connection -------------------------------------------------------------------------

  /** Connects, and keeps connected until `close`. While waiting to reconnect: tries now. */
  connect() {
    if (!this.#ws && !this.#openTimer) this.#open();
    return this;
  }

  /** Leaves; the outbox and the cache stay for the next time. */
  close() {
    this.#end('offline', 'closed');
  }

  /** Leaves, and removes every trace of this user from this browser. */
  signOut() {
    const shelf = this.#shelf;
    this.#end('signed_out', 'sign_out');
    this.#forget();
    shelf?.wipe();
  }

  /** Empties the memory, not the shelf. */
  #forget() {
    this.#shelf = null;
    for (const entry of this.outbox.values()) this.#settle(entry, new BedsideError({ code: 'discarded' }));
    this.userId = null;
    this.user = null;
    this.#token = null;
    this.#epoch = null;
    this.conversations.clear();
    this.outbox.clear();
    this.presence.clear();
    this.#unsaved.clear();
    this.#subscriptions.clear();
    this.#watched = [];
    this.#emit('change', {});
  }

  #setState(state, detail = {}) {
    this.state = state;
    this.#emit('state', { state, attempt: this.#attempt, ...detail });
  }

  async #open() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    // Covers the token and the handshake: neither may hang for ever.
    const patience = setTimeout(() => this.#drop(), REQUEST_TIMEOUT_MS);
    this.#openTimer = patience;
    this.#setState('connecting');
    const { getToken, url, WebSocket } = this.#options;
    let token;
    try {
      token = getToken ? await getToken({ renew: this.#renew }) : this.#options.token;
    } catch {
      if (this.#openTimer === patience) this.#drop();
      return;
    }
    if (this.#openTimer !== patience) return; // closed or given up meanwhile
    // The same token again would be refused again.
    if (!token || (this.#renew !== null && token === this.#token)) {
      this.#end('signed_out', 'no_token');
      return;
    }
    this.#token = token;
    this.#closing = null;
    const ws = new WebSocket(url, [SUBPROTOCOL]);
    this.#ws = ws;
    ws.onopen = () => ws === this.#ws && this.#call('session.hello', { token }).catch(ignore);
    ws.onmessage = (event) => ws === this.#ws && this.#receive(event.data);
    ws.onclose = (event) => ws === this.#ws && this.#lost(event.code);
  }

  /** Lets go of the socket without waiting for its closing handshake. */
  #detach() {
    const ws = this.#ws;
    this.#ws = null;
    this.#ready = false;
    clearTimeout(this.#openTimer);
    this.#openTimer = null;
    clearInterval(this.#tickTimer);
    clearTimeout(this.#receiptTimer);
    this.#receiptTimer = null;
    this.#receipts.clear(); // the next resume tells what is still to be acknowledged
    this.#typing = null;
    this.#limbo.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(new BedsideError({ code: 'disconnected' }));
    return ws;
  }

  #drop() {
    this.#detach()?.close();
    this.#retry();
  }

  #end(state, reason) {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#save();
    this.#detach()?.close(1000);
    this.#attempt = 0;
    this.#renew = null;
    this.#setState(state, { reason });
  }

  #lost(closeCode) {
    // A proxy may swallow the close frame; `session.closing` went before it.
    const code = closeCode === 1006 || closeCode === 1005 ? this.#closing?.code ?? closeCode : closeCode;
    const action = closeAction(code);
    if (action === 'stop') {
      this.#end('offline', code === 4409 ? 'replaced' : 'closed');
    } else if (action === 'new-token') {
      const again = this.#renew !== null; // it was refused right after a renewal
      if (!this.#options.getToken || again) {
        this.#end('signed_out', String(code));
      } else {
        this.#detach();
        this.#renew = code;
        this.#open();
      }
    } else {
      if (action === 'reconnect-slowly') this.#attempt = Math.max(this.#attempt, 5);
      const after = this.#closing?.reconnect_after_ms;
      this.#detach();
      this.#retry(after);
    }
  }

  /** `after`: when the server itself said to come back. */
  #retry(after) {
    const delay = Number.isFinite(after) ? Math.min(Math.max(after, BACKOFF_MIN_MS), BACKOFF_MAX_MS) : reconnectDelay(this.#attempt);
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState('reconnecting', { delay });
  }

  /** The network, or the user, is back: no more waiting. */
  #hurry() {
    if (this.#retryTimer) {
      this.#attempt = 0;
      this.#open();
    } else if (this.#ready && Date.now() - this.#lastFrameAt > TICK_MS) {
      this.#probe();
    }
  }

  /** A browser does not show pings, so a quiet socket is asked something cheap. */
  async #probe() {
    if (this.#probing) return;
    this.#probing = true;
    const ws = this.#ws;
    try {
      await this.#watch();
    } catch (fault) {
      if (fault.code === 'timeout' && ws === this.#ws) this.#drop();
    } finally {
      this.#probing = false;
    }
  }

  #tick() {
    if (Date.now() - this.#lastFrameAt > this.#pingIntervalMs) this.#probe();
    this.#flush();
  }

  /**
   * Sends any command; resolves with `data` of the reply, rejects with a `BedsideError`.
   */
  request(type, data = {}, { timeoutMs = REQUEST_TIMEOUT_MS } = {}) {
    if (!this.#ready) return Promise.reject(new BedsideError({ code: 'disconnected' }));
    return this.#call(type, data, timeoutMs);
  }

  #call(type, data, timeoutMs = REQUEST_TIMEOUT_MS) {
    return new Promise((done, fail) => {
      const id = this.#nextCall;
      this.#nextCall += 1;
      const timer = setTimeout(() => {
        this.#calls.delete(id);
        fail(new BedsideError({ code: 'timeout' }));
      }, timeoutMs);
      const ended = (then) => (value) => {
        clearTimeout(timer);
        then(value);
      };
      this.#calls.set(id, { done: ended(done), fail: ended(fail) });
      this.#ws.send(JSON.stringify({ id, type, data }));
    });
  }

  #receive(text) {
    this.#lastFrameAt = Date.now();
    const frame = JSON.parse(text);
    if (frame.type === undefined) {
      const call = this.#calls.get(frame.reply_to);
      this.#calls.delete(frame.reply_to);
      if (frame.error) call?.fail(new BedsideError(frame.error));
      else call?.done(frame.data);
      return;
    }
    this.#handle(frame);
    this.#emit(frame.type, frame);
  }

  #handle(frame) {
    const { type, conversation_id: id, seq, data } = frame;
    if (type === 'session.welcome') this.#welcomed(data);
    else if (type === 'session.closing') this.#closing = data;
    else if (type === 'session.expiring') this.#refresh();
    else if (type === 'presence.changed') this.#seen([data]);
    if (!id) return;

    const conversation = this.conversations.get(id);
    if (!conversation) {
      if (seq !== undefined) this.#stranger(frame);
    } else if (type === 'sync.batch') {
      this.#takeBatch(conversation, data.events);
    } else if (type === 'sync.reset') {
      conversation.reset(data.head_seq);
      conversation.log_start_seq = data.log_start_seq;
      conversation.me.first_seq = data.first_seq;
      if (this.state === 'online' && this.#subscriptions.has(id)) this.loadOlder(id).catch(ignore);
    } else if (type === 'receipt.changed') {
      conversation.takeReceipt(data);
      this.#changed(conversation);
    } else if (seq !== undefined) {
      this.#take(conversation, frame);
    } else if (type === 'conversation.changed' && data.me) {
      conversation.me = data.me;
      this.#changed(conversation);
    }
  }

  // --- Session ----------------------------------------------------------------------------

  async #welcomed(welcome) {
    clearTimeout(this.#openTimer);
    this.#openTimer = null;
    const ws = this.#ws;
    this.#adopt(welcome.user.user_id);
    this.user = welcome.user;
    this.limits = welcome.limits;
    this.#pingIntervalMs = welcome.ping_interval_ms;
    this.#ready = true;
    if (this.#epoch !== welcome.store_epoch) {
      // Seqs may mean something else now; the outbox does not depend on them.
      for (const id of this.conversations.keys()) this.#shelf.remove(`conv:${id}`);
      this.conversations.clear();
      this.#epoch = welcome.store_epoch;
    }
    try {
      await this.#resume();
    } catch {
      if (ws === this.#ws) this.#drop();
      return;
    }
    if (ws !== this.#ws) return;
    this.#attempt = 0;
    this.#renew = null;
    this.#tickTimer = setInterval(() => this.#tick(), TICK_MS);
    this.#setState('online');
    this.#changed();
    for (const entry of this.outbox.values()) entry.foreign = false;
    this.#flush();
    for (const id of this.#subscriptions) this.#subscribe(id).catch(ignore);
    if (this.#watched.length) this.#watch().catch(ignore);
    this.#prefetch().catch(ignore);
  }

  async #refresh() {
    try {
      const token = await this.#options.getToken?.({ renew: 4402 });
      if (!token || token === this.#token) return; // the server will close; that ends it
      await this.request('session.refresh', { token });
      this.#token = token;
    } catch { /* the old token goes on until it runs out */ }
  }

  /** Loads what is kept for this user; a client serves one user at a time. */
  #adopt(userId) {
    if (this.userId === userId) return;
    const early = this.userId === null ? [...this.outbox.values()] : []; // written before we knew by whom
    if (this.userId !== null) this.#forget();
    this.userId = userId;
    this.#shelf = new Shelf(this.#options.storage ?? new MemoryStorage(), userId);
    this.#shelf.put('here', 1); // its removal tells other tabs to sign out too
    for (const name of this.#shelf.names('conv:')) {
      const cached = this.#shelf.get(name);
      this.#epoch ??= cached?.epoch;
      if (cached?.epoch !== this.#epoch) this.#shelf.remove(name);
      else this.conversations.set(cached.info.conversation_id, Conversation.fromCache(cached, userId));
    }
    const kept = this.#shelf.names('out:').map((name) => this.#shelf.get(name)).filter(Boolean);
    kept.sort((a, b) => a.composed_at.localeCompare(b.composed_at) || a.n - b.n);
    for (const entry of kept) this.#addEntry({ ...entry, kept: true });
    for (const entry of early) {
      this.outbox.set(entry.client_msg_id, entry);
      this.#keep(entry);
    }
    for (const entry of this.outbox.values()) this.#askIfStale(entry);
    this.#changed();
  }

  /** Gets what was missed, for everything known, and the list of what is not yet known. */
  async #resume() {
    const ids = [...this.conversations.keys()];
    const most = this.limits.resume_positions_max ?? 1_000;
    for (let from = 0; from === 0 || from < ids.length; from += most) {
      await this.#resumeOf(ids.slice(from, from + most), from === 0);
    }
    // What was sent just before the connection broke may be stored: it must be matched before
    // the outbox is sent again or asked about.
    const wanted = [...this.outbox.values()].map((entry) => this.#conversationOf(entry));
    for (const conversation of this.conversations.values()) {
      const emptied = this.#subscriptions.has(conversation.id) || wanted.includes(conversation);
      if (!emptied || conversation.oldest <= conversation.position) continue;
      await this.loadOlder(conversation.id).catch((fault) => {
        if (fault.code === 'disconnected') throw fault;
      });
    }
    for (const conversation of this.conversations.values()) this.#acknowledge(conversation);
  }

  async #resumeOf(ids, followCursor) {
    let cursor;
    do {
      const known = ids.filter((id) => this.conversations.has(id));
      const positions = Object.fromEntries(known.map((id) => [id, this.conversations.get(id).position]));
      const reply = await this.#call('sync.resume', { positions, store_epoch: this.#epoch, cursor }, 30_000);
      for (const mark of reply.watermarks) this.conversations.get(mark.conversation_id)?.takeWatermarks(mark);
      for (const info of reply.conversations) this.#list(info);
      for (const id of reply.gone) this.#gone(id);
      cursor = followCursor ? reply.cursor : undefined;
    } while (cursor);
  }

  #list(info) {
    const known = this.conversations.get(info.conversation_id);
    if (known) {
      known.take(info);
      if (info.head_seq > known.position) this.#fill(known);
      this.#changed(known);
      return known;
    }
    const limbo = this.#limbo.get(info.conversation_id);
    this.#limbo.delete(info.conversation_id);
    // One that came into being before our eyes is read from its start, so that its messages
    // are announced like any others; of all the rest only the newest page is ever fetched.
    const fromStart = limbo && info.head_seq - info.me.first_seq < PAGE;
    const conversation = new Conversation(info, this.userId, fromStart ? info.me.first_seq - 1 : info.head_seq);
    if (fromStart) conversation.me.unread_count = 0; // counted again as they are applied
    this.conversations.set(conversation.id, conversation);
    if (fromStart) this.#fill(conversation);
    for (const event of limbo ?? []) this.#take(conversation, event);
    this.#changed(conversation);
    return conversation;
  }

  #gone(id) {
    this.conversations.delete(id);
    this.#subscriptions.delete(id);
    this.#shelf?.remove(`conv:${id}`);
    this.#emit('change', {});
  }

  /** An event of a conversation that is not in the list: asks for the list. */
  #stranger(frame) {
    const events = this.#limbo.get(frame.conversation_id) ?? [];
    this.#limbo.set(frame.conversation_id, [...events, frame]);
    this.#relist();
  }

  #relist(except) {
    const ids = [...this.conversations.keys()].filter((id) => id !== except).slice(0, this.limits.resume_positions_max);
    this.#relisting ??= this.#resumeOf(ids, false).catch(ignore).finally(() => {
      this.#relisting = null;
      // The list may have been read just before the conversation came into it.
      this.#relists = this.#limbo.size ? this.#relists + 1 : 0;
      if (this.#relists > 3) this.#limbo.clear();
      else if (this.#limbo.size) setTimeout(() => this.#ready && this.#relist(), 300);
    });
    return this.#relisting;
  }

  // --- The log ----------------------------------------------------------------------------

  #take(conversation, event) {
    this.#takeBatch(conversation, [event], false);
  }

  /** A batch is dense as far as we may read, but it must begin where our window ends. */
  #takeBatch(conversation, events, dense = events[0]?.seq <= conversation.position + 1) {
    for (const event of events) this.#applied(conversation, conversation.receive(event, { dense }));
    this.#changed(conversation);
    if (conversation.early.size) setTimeout(() => conversation.early.size && this.#fill(conversation), HOLE_PATIENCE_MS);
  }

  #applied(conversation, events) {
    for (const { seq, type, data } of events) {
      if (type === 'message.created') {
        const message = conversation.messages.get(seq);
        this.#match(message);
        this.#emit('message', { conversationId: conversation.id, message });
      } else if (type === 'conversation.changed' && data.change === 'member_added'
        && !conversation.members.some((m) => m.user_id === data.user_id)) {
        this.#relist(conversation.id); // the event does not say the name
      } else if (type === 'conversation.changed' && data.change === 'state') {
        this.#watch().catch(ignore); // whom we may see has changed with it
      }
    }
    if (events.length) this.#acknowledge(conversation);
  }

  /** Reads what is missing between the window and what came after it. */
  async #fill(conversation) {
    if (conversation.filling) return;
    conversation.filling = true;
    try {
      for (let pages = 1; ; pages += 1) {
        const page = await this.request('message.history', {
          conversation_id: conversation.id, after_seq: conversation.position, limit: 200,
        });
        if (page.head_seq - conversation.position > 200 * FILL_PAGES_MAX) {
          conversation.reset(page.head_seq);
          await this.loadOlder(conversation.id);
          break;
        }
        for (const event of page.events) this.#applied(conversation, conversation.receive(event, { dense: true }));
        if (page.has_more && page.events.length) continue;
        this.#applied(conversation, conversation.settle(page.head_seq));
        if (!conversation.early.size) break;
        if (pages > FILL_PAGES_MAX) { // a reader that lags behind what it was told: believe the events
          this.#applied(conversation, conversation.settle(Math.min(...conversation.early.keys()) - 1));
        }
        await sleep(HOLE_PATIENCE_MS * pages);
      }
      this.#changed(conversation);
    } catch (fault) {
      if (['not_a_member', 'not_found'].includes(fault.code)) this.#gone(conversation.id);
      else if (fault.code !== 'disconnected') setTimeout(() => this.#ready && this.#fill(conversation), Math.max(1_000, fault.retryAfterMs ?? 0));
    } finally {
      conversation.filling = false;
    }
  }

  /** Loads a page before the window; resolves with whether there is still more. */
  loadOlder(conversationId) {
    const conversation = this.conversations.get(conversationId);
    if (!conversation || conversation.complete) return Promise.resolve(false);
    conversation.loading ??= this.#loadOlder(conversation).finally(() => {
      conversation.loading = null;
    });
    return conversation.loading;
  }

  async #loadOlder(conversation) {
    const before = conversation.messages.size;
    // A page may hold nothing but reactions; then the next one is wanted too.
    for (let pages = 0; pages < FILL_PAGES_MAX && !conversation.complete && conversation.messages.size === before; pages += 1) {
      const { oldest } = conversation;
      conversation.late = [];
      const page = await this.request('message.history', {
        conversation_id: conversation.id, before_seq: oldest, limit: PAGE,
      });
      if (conversation.oldest === oldest) conversation.addOlder(page); // else it was reset meanwhile
    }
    for (const message of conversation.messages.values()) this.#match(message);
    this.#acknowledge(conversation);
    this.#changed(conversation);
    return !conversation.complete;
  }

  /** What is unread is fetched before it is asked for: it then has arrived on this device. */
  async #prefetch() {
    const unread = [...this.conversations.values()]
      .filter((c) => c.oldest > c.position && !c.complete && c.me.unread_count > 0)
      .sort((a, b) => b.last_activity_at.localeCompare(a.last_activity_at))
      .slice(0, PREFETCHED_CONVERSATIONS);
    for (const conversation of unread) await this.loadOlder(conversation.id);
  }

  /** The messages of a conversation in order, the unsent ones last. Entries with `change` are
   *  `conversation.changed`; unsent ones have a `status` and no `seq`. */
  messages(conversationId) {
    const conversation = this.conversations.get(conversationId);
    const unsent = [...this.outbox.values()].filter((entry) => entry.conversation_id === conversationId
      || (conversation && this.#conversationOf(entry) === conversation));
    return [...conversation?.messages.values() ?? [], ...unsent];
  }

  #conversationOf(entry) {
    if (entry.conversation_id) return this.conversations.get(entry.conversation_id);
    return [...this.conversations.values()].find((c) => c.peer?.user_id === entry.to_user_id);
  }

  // --- Outbox -----------------------------------------------------------------------------

  /**
   * Writes a message. Returns it at once, as it goes into the outbox; its promise `stored`
   * resolves when the server has stored it and rejects when it never will.
   */
  send({ conversationId, toUserId, text = '', type = 'text', attachments = [], replyToSeq }) {
    this.#written += 1;
    const entry = this.#addEntry({
      client_msg_id: crypto.randomUUID(),
      conversation_id: conversationId,
      to_user_id: conversationId ? undefined : toUserId,
      sender_id: this.userId ?? undefined,
      type,
      text,
      attachments,
      reply_to_seq: replyToSeq,
      composed_at: new Date().toISOString(),
      n: this.#written,
      status: 'pending',
    });
    this.#keep(entry);
    this.stopTyping();
    this.#outboxChanged(entry);
    this.#flush();
    return entry;
  }

  /** Sends a failed message, or one that was asked about, after all. */
  retry(clientMsgId) {
    const entry = this.outbox.get(clientMsgId);
    if (!entry) return;
    Object.assign(entry, { status: 'pending', confirmed: true, error: undefined, foreign: false });
    this.#keep(entry);
    this.#outboxChanged(entry);
    this.#flush();
  }

  /** Throws an unsent message away. */
  discard(clientMsgId) {
    const entry = this.outbox.get(clientMsgId);
    if (!entry) return;
    this.#settle(entry, new BedsideError({ code: 'discarded' }));
    this.#outboxChanged(entry);
  }

  #addEntry(entry) {
    if (entry.status === 'sending') entry.status = 'pending'; // nobody knows how that ended
    const promise = new Promise((done, fail) => {
      // Not enumerable: an entry is also what is written to storage.
      Object.defineProperty(entry, 'settle', { value: { done, fail } });
    });
    promise.catch(ignore); // whoever wants to know listens; for the rest there is `status`
    Object.defineProperty(entry, 'stored', { value: promise });
    this.outbox.set(entry.client_msg_id, entry);
    return entry;
  }

  #keep(entry) {
    const { foreign, kept, ...rest } = entry;
    entry.kept = this.#shelf?.put(`out:${entry.client_msg_id}`, rest) ?? false;
  }

  /** Takes an entry out of the outbox: stored, or never to be. */
  #settle(entry, fault, message = entry) {
    this.outbox.delete(entry.client_msg_id);
    this.#shelf?.remove(`out:${entry.client_msg_id}`);
    if (fault) entry.settle.fail(fault);
    else entry.settle.done(message);
  }

  #outboxChanged(entry) {
    this.#emit('change', { conversationId: this.#conversationOf(entry)?.id });
  }

  #askIfStale(entry) {
    if (entry.status !== 'pending' || entry.confirmed) return;
    if (Date.now() - Date.parse(entry.composed_at) <= ASK_AFTER_MS) return;
    entry.status = 'confirm';
    this.#outboxChanged(entry);
    this.#emit('confirm-needed', entry);
  }

  /** Starts what may be sent: one message at a time per conversation keeps their order. */
  #flush() {
    if (this.state !== 'online') return;
    const lanes = [...this.outbox.values()].map((entry) => entry.conversation_id ?? `to ${entry.to_user_id}`);
    for (const lane of new Set(lanes)) if (!this.#lanes.has(lane)) this.#drive(lane);
  }

  async #drive(lane) {
    this.#lanes.add(lane);
    let entry;
    while (this.state === 'online' && (entry = this.#next(lane))) await this.#post(entry);
    this.#lanes.delete(lane);
  }

  #next(lane) {
    for (const entry of this.outbox.values()) {
      if ((entry.conversation_id ?? `to ${entry.to_user_id}`) !== lane) continue;
      if (entry.foreign && Date.now() - Date.parse(entry.composed_at) < OTHER_TAB_GRACE_MS) continue;
      this.#askIfStale(entry);
      if (entry.status === 'pending') return entry;
    }
    return undefined;
  }

  async #post(entry) {
    if (entry.kept && !this.#shelf.has(`out:${entry.client_msg_id}`)) {
      this.#settle(entry); // another tab has sent it, or thrown it away
      this.#outboxChanged(entry);
      return;
    }
    entry.status = 'sending';
    this.#outboxChanged(entry);
    const { conversation_id, to_user_id, client_msg_id, type, text, attachments, reply_to_seq, composed_at } = entry;
    try {
      const reply = await this.request('message.send', {
        conversation_id, to_user_id, client_msg_id, type, text, attachments, reply_to_seq, composed_at,
      });
      this.#stored(entry, reply);
    } catch (fault) {
      const again = fault.retryable || ['unauthorized', 'token_expired'].includes(fault.code);
      entry.status = again ? 'pending' : 'failed';
      entry.tries = (entry.tries ?? 0) + 1;
      if (!again) {
        entry.error = { code: fault.code, message: fault.message };
        this.#keep(entry);
        entry.settle.fail(fault);
      }
      this.#outboxChanged(entry);
      if (again && this.state === 'online') await sleep(Math.max(fault.retryAfterMs, reconnectDelay(entry.tries)));
    }
  }

  #stored(entry, reply) {
    const { conversation_id, seq, message_id, created_at } = reply;
    const late = Date.parse(created_at) - Date.parse(entry.composed_at) > COMPOSED_AT_LAG_MS;
    this.#shelf?.remove(`out:${entry.client_msg_id}`);
    entry.kept = false;
    Object.assign(entry, { conversation_id, message_id, created_at, status: 'stored' });
    entry.settle.done({ ...entry, seq });
    const { type, text, attachments, reply_to_seq, client_msg_id } = entry;
    const data = {
      message_id, sender_id: this.userId, type, text, attachments, reply_to_seq, client_msg_id, created_at,
      composed_at: late ? entry.composed_at : undefined,
    };
    const conversation = this.conversations.get(conversation_id);
    const event = { conversation_id, seq, type: 'message.created', data };
    if (!conversation) {
      this.outbox.delete(client_msg_id);
      this.#stranger(event);
    } else if (seq <= conversation.position) {
      // Stored by an earlier try, and here already or too old for the window.
      this.outbox.delete(client_msg_id);
      this.#changed(conversation);
    } else {
      this.#take(conversation, event); // leaves the outbox as it enters the log, so it never flickers
    }
  }

  /** A message in the log that is also in the outbox: this is how its sending ended. */
  #match(message) {
    const entry = message.sender_id === this.userId && this.outbox.get(message.client_msg_id);
    if (entry) this.#settle(entry, null, message);
  }

  #otherTab({ key, newValue }) {
    if (!this.#shelf || !key?.startsWith(this.#shelf.prefix)) return;
    const name = key.slice(this.#shelf.prefix.length);
    if (name === 'here' && newValue === null) {
      this.signOut();
    } else if (name.startsWith('out:')) {
      const id = name.slice(4);
      const entry = this.outbox.get(id);
      if (newValue === null) {
        if (entry && entry.status !== 'sending' && entry.status !== 'stored') this.#settle(entry);
      } else if (!entry) {
        this.#addEntry({ ...JSON.parse(newValue), foreign: true, kept: true });
      } else if (entry.status !== 'sending') {
        Object.assign(entry, JSON.parse(newValue));
      }
      this.#emit('change', {});
    }
  }

  #save() {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = null;
    for (const id of this.#unsaved) {
      const conversation = this.conversations.get(id);
      if (conversation && this.#epoch !== null) this.#shelf?.put(`conv:${id}`, conversation.toCache(this.#epoch));
    }
    this.#unsaved.clear();
  }

  // --- Receipts, typing, presence ---------------------------------------------------------

  #acknowledge(conversation) {
    const newest = conversation.newestOfOthers;
    if (newest <= conversation.me.delivered_up_to_seq) return;
    conversation.me.delivered_up_to_seq = newest;
    this.#receipts.set(conversation.id, conversation.position);
    this.#receiptTimer ??= setTimeout(() => {
      this.#receiptTimer = null;
      for (const [conversation_id, up_to_seq] of this.#receipts) {
        this.request('receipt.deliver', { conversation_id, up_to_seq }).catch(ignore);
      }
      this.#receipts.clear();
    }, RECEIPT_DEBOUNCE_MS);
  }

  /** All up to the newest was shown to the user. Cheap to call again. */
  async markRead(conversationId) {
    const conversation = this.conversations.get(conversationId);
    if (!this.#ready || !conversation) return;
    const { me } = conversation;
    const before = me.read_up_to_seq;
    if (before >= conversation.newestOfOthers && !me.unread_count) return;
    if (before >= conversation.position) return;
    me.read_up_to_seq = conversation.position;
    me.unread_count = 0;
    this.#changed(conversation);
    try {
      const reply = await this.request('receipt.read', { conversation_id: conversationId, up_to_seq: me.read_up_to_seq });
      me.read_up_to_seq = Math.max(me.read_up_to_seq, reply.up_to_seq);
    } catch {
      me.read_up_to_seq = before; // the next call tries again
    }
  }

  /** The user is writing: says so, and again every 3 s, until 4 s after the last call. */
  typing(conversationId) {
    if (this.#typing && this.#typing.id !== conversationId) this.stopTyping();
    const now = Date.now();
    this.#typing ??= { id: conversationId, saidAt: 0 };
    const typing = this.#typing;
    clearTimeout(typing.timer);
    typing.timer = setTimeout(() => this.#typing === typing && this.stopTyping(), 4_000);
    if (now - typing.saidAt < 3_000) return;
    typing.saidAt = now;
    this.request('typing.set', { conversation_id: conversationId, typing: true }).catch(ignore);
  }

  stopTyping() {
    if (!this.#typing) return;
    const { id, timer } = this.#typing;
    clearTimeout(timer);
    this.#typing = null;
    this.request('typing.set', { conversation_id: id, typing: false }).catch(ignore);
  }

  /** Also get typing and presence of this conversation, while it is on screen; survives
   *  reconnects. Who is writing comes as `typing.changed`. */
  subscribe(conversationId) {
    this.#subscriptions.add(conversationId);
    return this.#subscribe(conversationId).catch(ignore);
  }

  async #subscribe(id) {
    const { typing, presence } = await this.request('conversation.subscribe', { conversation_id: id });
    this.#seen(presence);
    for (const user_id of typing) this.#emit('typing.changed', { conversation_id: id, data: { user_id, typing: true } });
  }

  unsubscribe(conversationId) {
    if (!this.#subscriptions.delete(conversationId)) return;
    this.request('conversation.unsubscribe', { conversation_id: conversationId }).catch(ignore);
  }

  /** Whose presence is wanted, instead of those named before; survives reconnects. */
  watch(userIds) {
    const wanted = [...new Set(userIds)].slice(0, 200).sort();
    if (wanted.join('\n') === this.#watched.join('\n')) return;
    this.#watched = wanted;
    this.#watch().catch(ignore);
  }

  async #watch() {
    const asked = this.#watched;
    const { presence } = await this.request('presence.watch', { user_ids: asked });
    for (const id of asked) this.presence.delete(id); // whom we may no longer see is left out
    this.#seen(presence);
  }

  #seen(presences) {
    for (const one of presences) {
      this.presence.set(one.user_id, one);
      this.#emit('presence', one);
    }
  }

  // --- Commands that put something into the log --------------------------------------------

  /** Opens the direct conversation with someone; resolves with it. */
  async openDirect(userId) {
    const reply = await this.request('conversation.create', { kind: 'direct', member_ids: [userId] });
    return this.#list(reply.conversation);
  }

  edit(conversationId, seq, text) {
    return this.#logged('message.edit', conversationId, { seq, text }, (m) => ({
      type: 'message.updated',
      data: { target_seq: seq, message_id: m.message_id, user_id: this.userId, text, edited_at: new Date().toISOString() },
    }));
  }

  remove(conversationId, seq) {
    return this.#logged('message.delete', conversationId, { seq }, (m) => ({
      type: 'message.deleted',
      data: { target_seq: seq, message_id: m.message_id, user_id: this.userId, deleted_at: new Date().toISOString() },
    }));
  }

  react(conversationId, seq, emoji, on) {
    return this.#logged('message.react', conversationId, { seq, emoji, on }, (m) => ({
      type: 'message.reacted',
      data: { target_seq: seq, message_id: m.message_id, user_id: this.userId, emoji, on, at: new Date().toISOString() },
    }));
  }

  /** The reply counts as the event: it carries the seq, and we know what it says. */
  async #logged(type, conversationId, data, event) {
    const reply = await this.request(type, { conversation_id: conversationId, ...data });
    const conversation = this.conversations.get(conversationId);
    const message = conversation?.messages.get(data.seq) ?? {};
    if (conversation) this.#take(conversation, { ...event(message), seq: reply.seq });
    return reply;
  }
}

function ownStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return null; // switched off: even asking for it throws
  }
}

/** Where the browser allows no storage: lasts as long as the page. */
class MemoryStorage {
  #items = new Map();
  get length() { return this.#items.size; }
  key(i) { return [...this.#items.keys()][i] ?? null; }
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#items.set(key, String(value)); }
  removeItem(key) { this.#items.delete(key); }
}
