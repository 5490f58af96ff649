// The client alone, against a stand-in of the server and a clock of its own.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { BedsideClient, closeAction, reconnectDelay } from '../../web/bedside-client.js';
import { dispatch, FakeStorage, ME, pass, START, stopTime, World, YOU } from './world.mjs';

const MINUTE = 60_000;
let clients = [];

beforeEach(stopTime);
afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
  mock.timers.reset();
});

function clientOf(world, options = {}) {
  const client = new BedsideClient({ url: 'ws://test/ws', token: 'token-1', storage: new FakeStorage(), WebSocket: world.WebSocket, userId: ME, ...options });
  clients.push(client);
  client.states = [];
  client.on('state', (state) => client.states.push(state));
  return client;
}

async function online(world, options) {
  const client = clientOf(world, options).connect();
  await pass();
  assert.equal(client.state, 'online');
  return client;
}

const texts = (client, id = 'c') => client.messages(id).map((m) => m.text);

test('says hello first, then asks for what it missed', async () => {
  const world = new World('c');
  await online(world);
  assert.deepEqual(world.socket.protocols, ['bedside.v1.json']);
  assert.deepEqual(world.commands.slice(0, 2), [
    { type: 'session.hello', data: { token: 'token-1' } },
    { type: 'sync.resume', data: { positions: {}, store_epoch: 'epoch-1' } },
  ]);
});

test('a reconnect resumes from the positions it has', async () => {
  const world = new World('c');
  world.says('c', 'one');
  const client = await online(world);
  await client.loadOlder('c');
  world.socket.end(1006);
  world.says('c', 'two');
  world.says('c', 'three');
  await pass(1_000);
  assert.deepEqual(world.sent('sync.resume').at(-1), { positions: { c: 1 }, store_epoch: 'epoch-1' });
  assert.deepEqual(texts(client), ['one', 'two', 'three']);
});

test('more than a thousand positions go in several calls', async () => {
  const world = new World(...Array.from({ length: 1_500 }, (_, i) => `c${i}`));
  const all = world['sync.resume'].bind(world);
  world['sync.resume'] = (data, socket) => { // pages of 200, as the server gives them
    const reply = all(data, socket);
    const named = Object.keys(data.positions);
    const from = Number(data.cursor ?? 0);
    const rest = [...world.logs.keys()].filter((id) => !named.includes(id));
    return { ...reply, conversations: rest.slice(from, from + 200).map((id) => world.info(id)), cursor: from + 200 < rest.length ? String(from + 200) : undefined };
  };
  const client = await online(world);
  assert.equal(client.conversations.size, 1_500);
  world.commands = [];
  world.socket.end(1001);
  await pass(1_000);
  const named = world.sent('sync.resume').filter((d) => d.cursor === undefined).map((d) => Object.keys(d.positions).length);
  assert.deepEqual(named, [1_000, 500]);
});

test('a hole in live events is filled from the history, in order', async () => {
  const world = new World('c');
  const client = await online(world);
  const seen = [];
  client.on('message', ({ message }) => seen.push(message.text));
  world.says('c', 'one');
  world.says('c', 'two');
  const third = world.says('c', 'three');
  world.tell('c', third);
  assert.deepEqual(texts(client), [], 'not before what came earlier');
  await pass(200);
  assert.deepEqual(world.sent('message.history').at(-1), { conversation_id: 'c', after_seq: 0, limit: 200 });
  assert.deepEqual(texts(client), ['one', 'two', 'three']);
  assert.deepEqual(seen, ['one', 'two', 'three']);
});

test('an event that comes again changes nothing', async () => {
  const world = new World('c');
  const client = await online(world);
  const one = world.says('c', 'one');
  world.tell('c', one);
  world.tell('c', one);
  assert.deepEqual(texts(client), ['one']);
  assert.equal(client.conversations.get('c').me.unread_count, 1);
});

test('a batch that does not begin where the window ends is a hole like any other', async () => {
  const world = new World('c');
  const client = await online(world);
  for (const text of ['one', 'two', 'three', 'four']) world.says('c', text);
  world.socket.tell({ type: 'sync.batch', conversation_id: 'c', data: { events: world.logs.get('c').slice(2), head_seq: 4 } });
  await pass(200);
  assert.deepEqual(texts(client), ['one', 'two', 'three', 'four']);
});

test('a conversation that becomes read-only takes nothing more', async () => {
  const world = new World('c');
  const client = await online(world);
  assert.ok(client.conversations.get('c').writable);
  world.tell('c', world.log('c', 'conversation.changed', { change: 'state', state: 'read_only', at: 'now' }));
  assert.ok(!client.conversations.get('c').writable);
});

test('whom one may no longer see is not shown as they were', async () => {
  const world = new World('c');
  const client = await online(world);
  client.watch([YOU]);
  await pass();
  assert.ok(client.presence.get(YOU).online);
  world['presence.watch'] = () => ({ presence: [] });
  world.tell('c', world.log('c', 'conversation.changed', { change: 'state', state: 'read_only', at: 'now' }));
  await pass();
  assert.equal(client.presence.get(YOU), undefined);
});

test('a type of a later version still advances the position', async () => {
  const world = new World('c');
  const client = await online(world);
  world.tell('c', world.log('c', 'poll.opened', { question: '?' }));
  world.tell('c', world.says('c', 'one'));
  assert.deepEqual(texts(client), ['one']);
  assert.equal(client.conversations.get('c').position, 2);
});

test('too much was missed: the newest page, then older ones on demand', async () => {
  const world = new World('c');
  const client = await online(world);
  client.subscribe('c');
  world.socket.end(1006);
  for (let i = 1; i <= 300; i += 1) world.says('c', `m${i}`);
  await pass(1_000);
  assert.deepEqual(texts(client), Array.from({ length: 50 }, (_, i) => `m${i + 251}`));
  while (await client.loadOlder('c'));
  assert.deepEqual(texts(client), Array.from({ length: 300 }, (_, i) => `m${i + 1}`));
});

test('another store epoch forgets the positions, not the outbox', async () => {
  const world = new World('c');
  world.says('c', 'old life');
  const storage = new FakeStorage();
  const client = await online(world, { storage });
  await client.loadOlder('c');
  world.socket.end(1006);
  world.down = true;
  client.send({ conversationId: 'c', text: 'kept' });
  await pass(1_000);
  world.logs.set('c', []);
  world.epoch = 'epoch-2';
  world.down = false;
  await pass(20_000);
  assert.deepEqual(world.sent('sync.resume').at(-1), { positions: {}, store_epoch: 'epoch-2' });
  await client.loadOlder('c');
  assert.deepEqual(texts(client), ['kept']);
});

test('an epoch is opaque: an empty one is one too', async () => {
  const world = new World('c');
  world.epoch = '';
  const storage = new FakeStorage();
  const client = await online(world, { storage });
  world.tell('c', world.says('c', 'one'));
  dispatch('pagehide');
  assert.deepEqual(texts(clientOf(world, { storage })), ['one']);
  assert.equal(client.state, 'online');
});

test('an older page comes as it stands now: its reactions are not applied twice', async () => {
  const world = new World('c');
  const created = world.says('c', 'one');
  created.data.reactions = []; // put on and taken off again
  const reacted = { target_seq: 1, message_id: 'm-c-1', user_id: YOU, emoji: '👍', at: created.data.created_at };
  world.log('c', 'message.reacted', { ...reacted, on: true });
  for (let i = 0; i < 60; i += 1) world.says('c', `m${i}`);
  world.log('c', 'message.reacted', { ...reacted, on: false });
  const client = await online(world);
  while (await client.loadOlder('c'));
  assert.deepEqual(client.messages('c')[0].reactions, []);
});

test('edit, delete and reaction of others change what is shown', async () => {
  const world = new World('c');
  const client = await online(world);
  world.tell('c', world.says('c', 'one'));
  const target = { target_seq: 1, message_id: 'm-c-1', user_id: YOU };
  world.tell('c', world.log('c', 'message.updated', { ...target, text: 'two', edited_at: 'now' }));
  world.tell('c', world.log('c', 'message.reacted', { ...target, emoji: '👍', on: true, at: 'now' }));
  const [message] = client.messages('c');
  assert.equal(message.text, 'two');
  assert.deepEqual(message.reactions, [{ emoji: '👍', user_ids: [YOU] }]);
  world.tell('c', world.log('c', 'message.deleted', { ...target, deleted_at: 'now' }));
  assert.equal(client.messages('c')[0].text, '');
  assert.deepEqual(client.messages('c')[0].reactions, []);
});

test('a conversation that comes into being is fetched and its messages announced', async () => {
  const world = new World('c');
  const client = await online(world);
  const seen = [];
  client.on('message', ({ message }) => seen.push(message.text));
  world.logs.set('new', []);
  const created = world.log('new', 'conversation.changed', { change: 'created', at: 'now' });
  const first = world.says('new', 'hello');
  world.tell('new', created);
  world.tell('new', first);
  await pass(500);
  assert.deepEqual(seen, ['hello']);
  assert.equal(client.conversations.get('new').me.unread_count, 1);
});

// --- Sending --------------------------------------------------------------------------------

test('a message is there at once, and resolves when it is stored', async () => {
  const world = new World('c');
  const client = await online(world);
  const message = client.send({ conversationId: 'c', text: 'hello' });
  assert.deepEqual(texts(client), ['hello']);
  const stored = await message.stored;
  assert.equal(stored.seq, 1);
  assert.equal(client.outbox.size, 0);
  assert.deepEqual(client.messages('c').map((m) => [m.seq, m.text]), [[1, 'hello']]);
});

test('the own echo is the same message, whether it comes before the reply or after', async () => {
  const world = new World('c');
  const client = await online(world);
  world.silent.add('message.send');
  const message = client.send({ conversationId: 'c', text: 'hello' });
  const echo = world.says('c', 'hello', { from: ME, client_msg_id: message.client_msg_id });
  world.tell('c', echo);
  await pass();
  assert.deepEqual(texts(client), ['hello']);
  assert.equal(client.outbox.size, 0);
  assert.equal((await message.stored).seq, 1);
  world.tell('c', echo);
  assert.deepEqual(texts(client), ['hello']);
});

test('a message whose acknowledgement was lost is found in the log, and not sent again', async () => {
  const world = new World('c');
  const client = await online(world);
  world.silent.add('message.send');
  const message = client.send({ conversationId: 'c', text: 'hello' });
  world.says('c', 'hello', { from: ME, client_msg_id: message.client_msg_id });
  world.socket.end(1006);
  world.silent.clear();
  await pass(1_000);
  assert.equal(world.sent('message.send').length, 1);
  assert.deepEqual(texts(client), ['hello']);
  assert.equal(client.outbox.size, 0);
});

test('what was written offline goes out in order, with the ids and times of its writing', async () => {
  const world = new World('c');
  const client = await online(world);
  world.down = true;
  world.socket.end(1006);
  const written = [];
  for (const text of ['a', 'b', 'c']) {
    written.push(client.send({ conversationId: 'c', text }));
    await pass(100);
  }
  await pass(5 * MINUTE);
  assert.deepEqual(texts(client), ['a', 'b', 'c']);
  world.down = false;
  await pass(16_000);
  assert.deepEqual(world.sent('message.send').map((d) => [d.text, d.client_msg_id, d.composed_at]),
    written.map((m) => [m.text, m.client_msg_id, m.composed_at]));
  assert.equal(world.sent('message.send')[0].composed_at, new Date(START).toISOString());
  assert.deepEqual(world.logs.get('c').map((e) => e.data.text), ['a', 'b', 'c']);
  assert.ok(client.messages('c')[0].composed_at, 'sent long after it was written');
});

test('the outbox survives a reload', async () => {
  const world = new World('c');
  const storage = new FakeStorage();
  const before = await online(world, { storage });
  world.down = true;
  world.socket.end(1006);
  const message = before.send({ conversationId: 'c', text: 'hello' });
  dispatch('pagehide');
  const after = clientOf(world, { storage });
  assert.deepEqual(texts(after), ['hello'], 'shown before there is a connection');
  before.close();
  world.down = false;
  after.connect();
  await pass();
  assert.deepEqual(world.sent('message.send').map((d) => d.client_msg_id), [message.client_msg_id]);
  assert.equal([...storage.items.keys()].filter((k) => k.includes(':out:')).length, 0);
});

test('two tabs of one user neither lose nor double anything', async () => {
  const world = new World('c');
  const storage = new FakeStorage();
  const left = await online(world, { storage });
  const right = await online(world, { storage });
  world.down = true;
  for (const socket of world.sockets) socket.end(1006);
  left.send({ conversationId: 'c', text: 'from the left' });
  right.send({ conversationId: 'c', text: 'from the right' });
  const reloaded = clientOf(world, { storage });
  assert.deepEqual([...texts(reloaded)].sort(), ['from the left', 'from the right']);
  world.down = false;
  reloaded.connect();
  await pass(16_000);
  assert.deepEqual(world.logs.get('c').map((e) => e.data.text).sort(), ['from the left', 'from the right']);
  for (const client of [left, right, reloaded]) assert.equal(client.outbox.size, 0);
});

test('two users of one browser do not see each other', () => {
  const world = new World();
  const storage = new FakeStorage();
  clientOf(world, { storage, userId: 'a' }).send({ toUserId: 'x', text: 'mine' });
  assert.equal(clientOf(world, { storage, userId: 'a:' }).outbox.size, 0);
  assert.equal(clientOf(world, { storage, userId: 'a' }).outbox.size, 1);
});

test('rate_limited and unavailable are tried again with the same id, and nothing overtakes', async () => {
  const world = new World('c');
  const client = await online(world);
  world.refuse.set('message.send', [
    { code: 'rate_limited', message: '', retry_after_ms: 4_000 },
    { code: 'unavailable', message: '', retry_after_ms: 0 },
  ]);
  client.send({ conversationId: 'c', text: 'first' });
  client.send({ conversationId: 'c', text: 'second' });
  await pass(3_900);
  assert.equal(world.sent('message.send').length, 1, 'waits as long as it was told');
  await pass(20_000);
  assert.deepEqual(world.sent('message.send').map((d) => d.text), ['first', 'first', 'first', 'second']);
  assert.equal(new Set(world.sent('message.send').map((d) => d.client_msg_id)).size, 2);
});

test('a final error marks the message failed, and the next one goes on', async () => {
  const world = new World('c');
  const storage = new FakeStorage();
  const client = await online(world, { storage });
  world.refuse.set('message.send', [{ code: 'forbidden', message: 'no' }]);
  const message = client.send({ conversationId: 'c', text: 'refused' });
  client.send({ conversationId: 'c', text: 'accepted' });
  await pass();
  assert.equal(message.status, 'failed');
  assert.equal(message.error.code, 'forbidden');
  await assert.rejects(message.stored, { code: 'forbidden' });
  assert.deepEqual(world.logs.get('c').map((e) => e.data.text), ['accepted']);
  assert.equal(clientOf(world, { storage }).messages('c').at(-1).status, 'failed', 'also after a reload');
  client.retry(message.client_msg_id);
  await pass();
  assert.deepEqual(world.logs.get('c').map((e) => e.data.text), ['accepted', 'refused']);
});

test('an unsent message older than 15 minutes is asked about', async () => {
  const world = new World('c');
  const storage = new FakeStorage();
  const client = await online(world, { storage });
  world.down = true;
  world.socket.end(1006);
  const stale = client.send({ conversationId: 'c', text: 'come at once' });
  const other = client.send({ conversationId: 'c', text: 'never mind' });
  await pass(16 * MINUTE);
  const fresh = client.send({ conversationId: 'c', text: 'fresh' });
  const asked = [];
  client.on('confirm-needed', (message) => asked.push(message.text));
  world.down = false;
  await pass(16_000);
  assert.deepEqual(asked, ['come at once', 'never mind']);
  assert.deepEqual(world.sent('message.send').map((d) => d.text), ['fresh']);
  assert.equal(stale.status, 'confirm');
  await fresh.stored;
  client.discard(other.client_msg_id);
  client.retry(stale.client_msg_id);
  await pass();
  assert.deepEqual(world.logs.get('c').map((e) => e.data.text), ['fresh', 'come at once']);
  assert.deepEqual(world.sent('message.send').at(-1).composed_at, new Date(START).toISOString());
  assert.equal(client.outbox.size, 0);
});

test('an unsent message is still young enough just before 15 minutes', async () => {
  const world = new World('c');
  const client = await online(world);
  world.down = true;
  world.socket.end(1006);
  client.send({ conversationId: 'c', text: 'hello' });
  await pass(14 * MINUTE);
  world.down = false;
  await pass(16_000);
  assert.deepEqual(world.sent('message.send').map((d) => d.text), ['hello']);
});

// --- The connection -------------------------------------------------------------------------

test('close codes are judged by their range', () => {
  for (const code of [1000, 4409]) assert.equal(closeAction(code), 'stop', String(code));
  for (const code of [4400, 4401, 4402, 4410, 4444, 4499]) assert.equal(closeAction(code), 'new-token', String(code));
  for (const code of [1001, 1005, 1006, 1011, 4500, 4501, 4502, 4503, 4555, 4599]) assert.equal(closeAction(code), 'reconnect', String(code));
  for (const code of [1002, 1003, 1007, 1009]) assert.equal(closeAction(code), 'reconnect-slowly', String(code));
});

test('the wait grows from 0.3 s to 15 s, with jitter', () => {
  assert.equal(reconnectDelay(0, () => 0), 300);
  assert.equal(reconnectDelay(0, () => 1), 600);
  assert.equal(reconnectDelay(3, () => 1), 4_800);
  assert.equal(reconnectDelay(99, () => 1), 15_000);
  assert.equal(reconnectDelay(99, () => 0), 300);
});

test('a normal close is the end; a code of the 4500s is not', async () => {
  const world = new World();
  const client = await online(world);
  world.socket.end(1000);
  await pass(MINUTE);
  assert.equal(client.state, 'offline');
  assert.equal(world.sockets.length, 1);
  client.connect();
  await pass();
  world.socket.end(4503);
  assert.equal(client.state, 'reconnecting');
  assert.ok(client.states.at(-1).delay >= 300);
  await pass(1_000);
  assert.equal(client.state, 'online');
});

test('the code of session.closing counts where the close frame was lost', async () => {
  const world = new World();
  const client = await online(world);
  world.socket.tell({ type: 'session.closing', data: { code: 4409, reason: 'replaced' } });
  world.socket.end(1006);
  assert.equal(client.state, 'offline');
  assert.equal(client.states.at(-1).reason, 'replaced');
});

test('a server that is started anew says when to come back', async () => {
  const world = new World();
  const client = await online(world);
  world.socket.tell({ type: 'session.closing', data: { code: 1001, reason: 'going_away', reconnect_after_ms: 2345 } });
  world.socket.end(1001);
  assert.equal(client.state, 'reconnecting');
  assert.equal(client.states.at(-1).delay, 2345);
  await pass(2_344);
  assert.equal(client.state, 'reconnecting');
  await pass(2);
  assert.equal(client.state, 'online');
});

test('a refused token is never used again', async () => {
  const world = new World();
  const client = await online(world);
  world.socket.end(4402);
  await pass(MINUTE);
  assert.equal(client.state, 'signed_out');
  assert.equal(world.sockets.length, 1);
});

test('a new token is asked for once', async () => {
  const world = new World();
  const asked = [];
  const getToken = async (why) => {
    asked.push(why.renew);
    return `token-${asked.length}`;
  };
  const client = await online(world, { getToken });
  world.socket.end(4402);
  await pass();
  assert.equal(client.state, 'online');
  assert.deepEqual(asked, [null, 4402]);
  assert.deepEqual(world.sent('session.hello').map((d) => d.token), ['token-1', 'token-2']);
  world['session.hello'] = (_, socket) => socket.end(4401); // now every token is bad
  world.socket.end(4401);
  await pass(MINUTE);
  assert.equal(client.state, 'signed_out');
  assert.deepEqual(asked, [null, 4402, 4401]);
});

test('a token that cannot be had for now is asked for again', async () => {
  const world = new World();
  let tries = 0;
  const client = clientOf(world, { getToken: async () => {
    tries += 1;
    if (tries < 3) throw new Error('no network');
    return 'token';
  } }).connect();
  await pass(5_000);
  assert.equal(client.state, 'online');
});

test('the network is back: no more waiting', async () => {
  const world = new World();
  const client = await online(world);
  world.down = true;
  world.socket.end(1006);
  await pass(5 * MINUTE);
  world.down = false;
  assert.notEqual(client.state, 'online');
  dispatch('online');
  await pass();
  assert.equal(client.state, 'online');
});

test('a quiet socket is asked, and left when it does not answer', async () => {
  const world = new World();
  const client = await online(world);
  client.watch([YOU]);
  await pass(31_000);
  assert.deepEqual(world.sent('presence.watch').at(-1), { user_ids: [YOU] });
  assert.equal(world.sent('presence.watch').length, 2);
  assert.equal(client.state, 'online');
  world.silent.add('presence.watch');
  await pass(41_000);
  assert.equal(world.sockets.length, 2);
  assert.equal(client.state, 'online');
});

test('a server that accepts and says nothing is given up', async () => {
  const world = new World();
  world.silent.add('session.hello');
  const client = clientOf(world).connect();
  await pass(10_100);
  assert.equal(client.state, 'reconnecting');
});

test('a token that runs out is replaced on the open socket', async () => {
  const world = new World();
  let n = 0;
  const client = await online(world, { getToken: async () => `token-${n += 1}` });
  world.socket.tell({ type: 'session.expiring', data: { token_expires_at: 'soon' } });
  await pass();
  assert.deepEqual(world.sent('session.refresh'), [{ token: 'token-2' }]);
  assert.equal(client.state, 'online');
});

test('a command without an answer times out; one without a connection fails at once', async () => {
  const world = new World('c');
  const client = await online(world);
  world.silent.add('message.edit');
  const edit = assert.rejects(client.edit('c', 1, 'x'), { code: 'timeout' });
  await pass(10_100);
  await edit;
  client.close();
  await assert.rejects(client.edit('c', 1, 'x'), { code: 'disconnected' });
});

// --- Receipts, typing, signing out ------------------------------------------------------------

test('what arrived is acknowledged in one go, what was read when it was read', async () => {
  const world = new World('c');
  const client = await online(world);
  for (const text of ['a', 'b', 'c']) world.tell('c', world.says('c', text));
  assert.deepEqual(world.sent('receipt.deliver'), []);
  await pass(250);
  assert.deepEqual(world.sent('receipt.deliver'), [{ conversation_id: 'c', up_to_seq: 3 }]);
  await client.markRead('c');
  await client.markRead('c');
  assert.deepEqual(world.sent('receipt.read'), [{ conversation_id: 'c', up_to_seq: 3 }]);
  assert.equal(client.conversations.get('c').me.unread_count, 0);
});

test('own messages are stored, delivered, read: as far as the other one is', async () => {
  const world = new World('c');
  const client = await online(world);
  await client.send({ conversationId: 'c', text: 'hello' }).stored;
  const status = () => client.conversations.get('c').statusOf(client.messages('c')[0]);
  const receipt = (delivered, read) => world.socket.tell({ type: 'receipt.changed', conversation_id: 'c', data: { user_id: YOU, delivered_up_to_seq: delivered, read_up_to_seq: read, at: 'now' } });
  assert.equal(status(), 'stored');
  receipt(1, 0);
  assert.equal(status(), 'delivered');
  receipt(1, 1);
  assert.equal(status(), 'read');
  receipt(1, 0); // late: watermarks only grow
  assert.equal(status(), 'read');
});

test('typing is said again every 3 s, and its end once', async () => {
  const world = new World('c');
  const client = await online(world);
  for (let i = 0; i < 7; i += 1) {
    client.typing('c');
    await pass(1_000);
  }
  assert.deepEqual(world.sent('typing.set').map((d) => d.typing), [true, true, true]);
  await pass(5_000);
  assert.deepEqual(world.sent('typing.set').map((d) => d.typing), [true, true, true, false]);
});

test('signing out wipes this user and nobody else', async () => {
  const world = new World('c');
  const storage = new FakeStorage();
  clientOf(world, { storage, userId: 'someone-else' }).send({ toUserId: 'x', text: 'theirs' });
  const client = await online(world, { storage });
  world.tell('c', world.says('c', 'private'));
  client.send({ conversationId: 'c', text: 'unsent' });
  await pass(2_000);
  assert.ok([...storage.items.values()].join().includes('private'));
  client.signOut();
  assert.equal(client.state, 'signed_out');
  await pass(2_000);
  assert.ok([...storage.items.keys()].every((key) => key.startsWith('bedside:someone-else:')));
  assert.equal(storage.items.size, 2);
});

test('signing out in one tab signs out the others', async () => {
  const world = new World('c');
  const client = await online(world);
  dispatch('storage', { key: `bedside:${ME}:here`, newValue: null });
  assert.equal(client.state, 'signed_out');
  assert.equal(client.conversations.size, 0);
});
