// What every namespace has in common: who gets in, acks, bounds, parsers, attachments.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import msgpack from 'socket.io-msgpack-parser';
import { WebSocket } from 'ws';
import { until } from '../browser/until.mjs';
import { Clinic, message004, mint, words } from './clinic.mjs';
import { TRANSPORTS, within } from './line.mjs';
import { like } from './shape.mjs';

const NAMESPACES = ['/', '/notifications', '/consultation', '/messages'];
const TEXT_BYTES_MAX = 16 * 1024;

let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

const send = (to, content = words()) => ({ receiverId: to.id, content, messageType: 'text' });

async function talk(options = {}) {
  const [doctor, patient] = await clinic.pair();
  return { doctor, patient, mine: await patient.open('/', options), theirs: await doctor.open('/', options) };
}

// First, since such entries are limited a minute and address.
test('who is not let in is in the audit log, without the token', async () => {
  const before = (await clinic.audit()).length;
  const token = mint('another key, as long as a key has to be', { sub: 'p1', role: 'patient' });
  for (const namespace of NAMESPACES) await clinic.line(namespace, { auth: { token } }).refusal();
  const entries = await until(async () => {
    const refusals = (await clinic.audit()).slice(before).filter(({ action }) => action === 'connect.refused');
    return refusals.length > 0 && refusals;
  }, 'the audit log tells of it', 3_000);
  for (const entry of entries) assert.ok(!JSON.stringify(entry).includes(token.slice(0, 20)) && entry.actor === null, JSON.stringify(entry));
});

test('a bad token is answered with unauthorized, in every namespace and on every transport', async () => {
  const person = await clinic.person('patient');
  const past = Math.floor(Date.now() / 1000) - 60;
  const [head, claims, signature] = person.token.split('.');
  const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${claims}.`;
  const tokens = {
    missing: undefined, empty: '', garbage: 'x', 'not text': { $gt: '' }, 'of another key': mint('another key, as long as a key has to be', { sub: person.id, role: 'patient' }),
    expired: person.tokenWith({ exp: past }), unsigned: none, 'with another signature': `${head}.${claims}.${signature.split('').reverse().join('')}`,
    'without a sub': person.tokenWith({ sub: undefined }),
  };
  for (const [name, token] of Object.entries(tokens)) {
    for (const namespace of NAMESPACES) {
      const fault = await clinic.line(namespace, { auth: { token } }).refusal();
      assert.equal(fault.message, 'unauthorized', `${name} on ${namespace}`);
    }
  }
  for (const options of TRANSPORTS.values()) {
    assert.equal((await clinic.line('/', { ...options, auth: { token: 'x' } }).refusal()).message, 'unauthorized');
  }
});

test('a system of the clinic is no person', async () => {
  for (const namespace of NAMESPACES) {
    const { message } = await clinic.line(namespace, { auth: { token: clinic.service } }).refusal();
    assert.ok(['unauthorized', 'forbidden'].includes(message), message);
  }
});

test('the token may come as Authorization: Bearer, on both transports', async () => {
  const { doctor, patient, theirs } = await talk();
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    const line = clinic.line('/', { transports, extraHeaders: { Authorization: `Bearer ${patient.token}` } });
    await line.connected();
    const content = words();
    await line.done('send_message', send(doctor, content));
    await theirs.next('new_message', ({ message }) => message.content === content);
  }
});

test('a token in the query opens nothing', async () => {
  const person = await clinic.person('patient');
  const fault = await clinic.line('/', { query: { token: person.token } }).refusal();
  assert.equal(fault.message, 'unauthorized');
});

test('who is refused may come again with a good token on the same connection', async () => {
  const person = await clinic.person('patient');
  let token = 'x';
  const line = clinic.line('/', { auth: (give) => give({ token }) });
  assert.equal((await line.refusal()).message, 'unauthorized');
  token = person.token;
  line.socket.connect();
  await until(() => line.socket.connected, 'it is let in');
});

test('an unknown namespace is refused, and the others go on', async () => {
  const { doctor, mine, theirs, patient } = await talk();
  for (const namespace of ['/nothing', '/admin', '/Messages', '/messages/x']) {
    const line = clinic.keep(mine.beside(namespace, { auth: { token: patient.token } }));
    assert.equal((await line.refusal()).message, 'Invalid namespace', namespace);
  }
  await mine.done('send_message', send(doctor));
  await theirs.next('new_message');
});

test('Engine.IO 3 is refused with 400', async () => {
  for (const query of ['EIO=3&transport=polling', 'transport=polling']) {
    const answer = await fetch(`${clinic.origin}/socket.io/?${query}`);
    assert.equal(answer.status, 400, query);
    assert.equal((await answer.json()).code, 5, query);
  }
  const status = await new Promise((done) => {
    const socket = new WebSocket(`${clinic.origin.replace('http', 'ws')}/socket.io/?EIO=3&transport=websocket`);
    socket.on('error', () => {});
    socket.on('open', () => done('open'));
    socket.on('unexpected-response', (_, answer) => {
      answer.destroy();
      done(answer.statusCode);
    });
  });
  assert.equal(status, 400);
});

test('the path works with its last slash and without', async () => {
  const person = await clinic.person('patient');
  for (const addTrailingSlash of [true, false]) {
    for (const options of TRANSPORTS.values()) await person.open('/', { ...options, addTrailingSlash });
  }
});

test('an ack says ok, or why not', async () => {
  const { doctor, mine } = await talk();
  const good = await mine.ask('send_message', send(doctor));
  assert.equal(good.ok, true);
  assert.ok(!('error' in good));
  const bad = await mine.ask('send_message', { receiverId: doctor.id });
  assert.deepEqual(Object.keys(bad).sort(), ['error', 'ok']);
  assert.equal(bad.ok, false);
  assert.deepEqual(Object.keys(bad.error).sort(), ['code', 'message']);
  assert.equal(bad.error.code, 'invalid_argument');
  for (const event of ['typing_start', 'typing_stop']) await mine.done(event, { receiverId: doctor.id });
  await mine.done('set_status', { status: 'busy' });
  await mine.done('mark_read', { senderId: doctor.id });
});

test('an ack comes to the event that asked for it', async () => {
  const { doctor, mine } = await talk();
  const acks = await Promise.all(Array.from({ length: 50 }, (_, i) => mine.ask('send_message', i % 5 === 0 ? { receiverId: doctor.id } : send(doctor))));
  acks.forEach((ack, i) => assert.equal(ack.ok, i % 5 !== 0));
});

test('text of 16 KiB is taken, one byte more is too_large and not delivered', async () => {
  const { doctor, patient, mine, theirs } = await talk();
  for (const letter of ['a', 'é', '漢', '🙂', '"']) {
    const bytes = Buffer.byteLength(letter);
    const most = letter.repeat(Math.floor(TEXT_BYTES_MAX / bytes)) + 'x'.repeat(TEXT_BYTES_MAX % bytes);
    await mine.done('send_message', send(doctor, most));
    assert.equal((await theirs.next('new_message')).message.content, most);
    await mine.isRefused('send_message', send(doctor, `${most}x`), 'too_large');
  }
  await mine.isRefused('send_message', send(doctor, 'x'.repeat(500_000)), 'too_large');
  await mine.done('send_message', send(doctor));
  await theirs.next('new_message');
  assert.deepEqual(theirs.left('new_message'), []);
  assert.equal((await doctor.messagesWith(patient)).length, 6);
});

test('what was written without a network goes out in one burst, and all of it is answered', async () => {
  for (const [name, options] of TRANSPORTS) {
    const { doctor, mine } = await talk(options);
    const ends = [];
    mine.socket.on('disconnect', (why) => ends.push(why));
    const small = Array.from({ length: 600 }, () => words());
    // Together more than the server keeps for one connection.
    const large = Array.from({ length: 90 }, () => `${words()} ${'x'.repeat(15_000)}`);
    const acks = await Promise.all([...small, ...large].map((content) => mine.ask('send_message', send(doctor, content))));
    assert.ok(acks.every(({ ok }) => ok), name);
    const seqs = acks.map(({ seq }) => seq);
    assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b), `${name}: in order`);
    const refused = await Promise.all(Array.from({ length: 600 }, () => mine.ask('no-such-event', {})));
    assert.ok(refused.every(({ ok }) => !ok), name);
    assert.deepEqual(ends, [], name);
  }
});

test('a payload over a megabyte costs its sender the connection, and nobody else anything', async () => {
  for (const options of [{ transports: ['websocket'] }, { transports: ['polling'] }]) {
    const { doctor, patient, mine, theirs } = await talk(options);
    mine.socket.io.reconnection(false);
    mine.say('send_message', send(doctor, 'x'.repeat(1_100_000)));
    await until(() => mine.socket.disconnected, 'it is disconnected');
    const again = await patient.open('/', options);
    await again.done('send_message', send(doctor));
    await theirs.next('new_message');
    assert.equal((await doctor.messagesWith(patient)).length, 1);
  }
});

test('text arrives as it was written', async () => {
  const { doctor, mine, theirs } = await talk();
  for (const content of ['"quoted" \\ and \u2028 lines\nand\ttabs', 'صباح الخير يا دكتورة', '<script>alert(1)</script>', '🧑‍⚕️👩🏽‍🦽', '\u0000 nul', '42["event"]', '451-["x",{"_placeholder":true,"num":0}]']) {
    await mine.done('send_message', send(doctor, content));
    assert.equal((await theirs.next('new_message')).message.content, content);
  }
});

for (const [name, options] of TRANSPORTS) {
  test(`the MessagePack parser: ${name}`, async () => {
    const { doctor, patient, mine, theirs } = await talk({ ...options, parser: msgpack });
    const plain = await doctor.open();
    const content = words();
    await mine.done('send_message', send(doctor, content));
    for (const line of [theirs, plain]) like(await line.next('new_message'), { message: message004(patient, doctor, content) });
    like(await mine.next('message_sent'), { message: message004(patient, doctor, content) });
    await mine.isRefused('send_message', { receiverId: 7 }, 'invalid_argument');
    await mine.isRefused('send_message', send(doctor, 'x'.repeat(TEXT_BYTES_MAX + 1)), 'too_large');
    assert.equal((await clinic.line('/', { ...options, parser: msgpack, auth: { token: 'x' } }).refusal()).message, 'unauthorized');
    const notes = await patient.open('/notifications', { ...options, parser: msgpack });
    assert.deepEqual(await notes.next('connected'), { message: 'Connected to notifications' });
  });

  test(`binary attachments do no harm: ${name}`, async () => {
    for (const parser of [undefined, msgpack]) {
      const { doctor, patient, mine, theirs } = await talk({ ...options, ...(parser && { parser }) });
      const bytes = Buffer.alloc(5_000, 7);
      await mine.isRefused('send_message', bytes, 'invalid_argument');
      await mine.isRefused('send_message', { ...send(doctor), content: bytes }, 'invalid_argument');
      await mine.isRefused('send_message', { ...send(doctor), receiverId: bytes }, 'invalid_argument');
      await mine.isRefused('typing_start', { receiverId: [bytes, bytes] }, 'invalid_argument');
      await mine.isRefused('nothing', { deep: { deeper: [bytes, bytes, bytes] } }, 'invalid_argument', 'not_found');
      mine.say('send_message', send(doctor), bytes, bytes);
      mine.socket.emit('send_message', bytes, bytes, () => {});
      const content = words();
      await mine.done('send_message', send(doctor, content));
      await theirs.next('new_message', ({ message }) => message.content === content);
      assert.ok((await doctor.messagesWith(patient)).length <= 2);
    }
  });
}

test('names of events that are no events do no harm', async () => {
  const { doctor, mine, theirs } = await talk();
  const mayAnswer = ['__proto__', 'constructor', '', 'x'.repeat(10_000), 'new_message', 'message_sent', '\u0000'];
  for (const event of mayAnswer) await mine.isRefused(event, { receiverId: doctor.id, message: { content: words() } }, 'invalid_argument', 'not_found');
  await mine.done('send_message', send(doctor));
  await theirs.next('new_message');
  assert.deepEqual(theirs.left('new_message'), []);
});

test('a goodbye leaves the namespace and stays away; another connection is not touched', async () => {
  const { doctor, patient, mine, theirs } = await talk();
  const other = await patient.open();
  mine.socket.disconnect();
  await theirs.done('send_message', send(patient));
  await other.next('new_message');
  assert.deepEqual(mine.left('new_message'), []);
  mine.socket.connect();
  await mine.connected();
  await mine.done('send_message', send(doctor));
});

test('a token that runs out ends the connection', async () => {
  const person = await clinic.person('patient');
  const line = clinic.line('/', { auth: { token: person.tokenWith({ exp: Math.floor(Date.now() / 1000) + 3 }) } });
  await line.connected();
  const reason = await within(new Promise((done) => line.socket.once('disconnect', done)), () => 'the end of the connection', 20_000);
  line.close();
  assert.ok(['io server disconnect', 'transport close'].includes(reason), reason);
});
