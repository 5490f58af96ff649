// One message, seen by clients of three kinds and by REST: once each, with one seq.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Clinic, words } from './clinic.mjs';
import { Native } from './native.mjs';

let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

/** A doctor and a patient; each has a client of seed 004, one of seed 003 in their chat, and a native one. */
async function meeting() {
  const [doctor, patient] = await clinic.pair();
  const { id: chatId } = await doctor.post('/api/v1/chats', { name: '', type: 'Direct', participants: [patient.id] });
  const sides = [];
  for (const person of [doctor, patient]) {
    const side = { person, old: await person.open(), chat: await person.open(), native: await Native.open(person) };
    await side.chat.done('join-chat', { chatId, userId: person.id });
    sides.push(side);
  }
  return { chatId, sides, close: () => sides.forEach(({ native }) => native.close()) };
}

const isSaid = (content) => ({ args: [payload] }) => (payload?.message?.content ?? payload?.content) === content;
const isCreated = (content) => ({ type, data }) => type === 'message.created' && data.text === content;

/** Where one text turned up, and under which seq and id. */
async function sightings(chatId, { person, old, chat, native }, from, content) {
  const mine = person === from;
  const events = mine ? 'message_sent' : 'new_message';
  const ids = new Set();
  const { message } = await old.next(events, (payload) => payload.message.content === content);
  ids.add(message._id);
  ids.add((await chat.next('message-received', (payload) => payload.content === content)).id);
  assert.equal((await chat.next(events, (payload) => payload.message.content === content)).message._id, message._id, 'the 003 socket is one of this user\'s');
  assert.deepEqual([...old.heard, ...chat.heard].filter(isSaid(content)), [], 'once each');

  const other = mine ? message.receiver._id : message.sender._id;
  const pages = {
    '004': (await person.get(`/chat/conversations/${other}`)).data.filter((row) => row.content === content).map((row) => row._id),
    '003': (await person.get(`/api/v1/chats/${chatId}/messages`)).data.filter((row) => row.content === content).map((row) => row.id),
  };
  const { events: log } = await person.get(`/api/v1/conversations/${chatId}/messages`);
  const entries = log.filter(isCreated(content));
  assert.equal(entries.length, 1);
  ids.add(entries[0].data.message_id);
  for (const [seed, found] of Object.entries(pages)) {
    assert.equal(found.length, 1, `once in the history of ${seed}`);
    ids.add(found[0]);
  }
  assert.equal(ids.size, 1, 'one id everywhere');
  return entries[0].seq;
}

const SENDERS = {
  'a client of seed 004': ({ old }, { chatId, to, content }) => {
    assert.ok(chatId);
    return old.done('send_message', { receiverId: to.id, content, messageType: 'text' });
  },
  'a client of seed 003': ({ chat, person }, { chatId, content }) => chat.done('send-message', { chatId, content, type: 'text', senderId: person.id }),
  'a native client': ({ native }, { chatId, content }) => native.command('message.send', { conversation_id: chatId, text: content, client_msg_id: content }),
  'REST': ({ person }, { chatId, content }) => person.post(`/api/v1/chats/${chatId}/messages`, { content, messageType: 'text' }),
};

for (const [name, send] of Object.entries(SENDERS)) {
  test(`what ${name} sends reaches everybody once, under one seq`, async () => {
    const { chatId, sides, close } = await meeting();
    for (const [from, to] of [sides, [...sides].reverse()]) {
      const content = words();
      await send(from, { chatId, to: to.person, content });
      const seqs = new Set();
      for (const side of sides) seqs.add(await sightings(chatId, side, from.person, content));
      for (const { native } of sides) {
        // A native client's own send is answered by its reply instead.
        if (name === 'a native client' && native === from.native) continue;
        seqs.add((await native.next('message.created', isCreated(content))).seq);
        assert.deepEqual(native.heard.filter(isCreated(content)), []);
      }
      assert.equal(seqs.size, 1, `one seq: ${[...seqs]}`);
    }
    close();
  });
}

test('receipts and typing cross over, too', async () => {
  const { chatId, sides: [doctor, patient], close } = await meeting();
  const content = words();
  await doctor.old.done('send_message', { receiverId: patient.person.id, content, messageType: 'text' });
  const { seq, data } = await patient.native.next('message.created', isCreated(content));
  await patient.native.command('receipt.read', { conversation_id: chatId, up_to_seq: seq });
  assert.deepEqual(await doctor.old.next('messages_read'), { userId: patient.person.id });
  const read = await doctor.chat.next('message-read');
  assert.deepEqual([read.messageId, read.readBy], [data.message_id, patient.person.id]);

  const isTyping = (event) => event.data.user_id === patient.person.id && event.data.typing;
  await doctor.native.command('conversation.subscribe', { conversation_id: chatId });
  await patient.old.done('typing_start', { receiverId: doctor.person.id });
  assert.deepEqual(await doctor.old.next('typing_start'), { userId: patient.person.id });
  assert.deepEqual(await doctor.chat.next('user-typing'), { userId: patient.person.id, isTyping: true });
  await doctor.native.next('typing.changed', isTyping);
  close();
});

test('many senders of all kinds at once: one order for everybody, nothing missing, nothing twice', async () => {
  const { chatId, sides, close } = await meeting();
  const [doctor, patient] = sides;
  const sent = [];
  await Promise.all(Array.from({ length: 15 }, async (_, i) => {
    for (const [from, to] of [[doctor, patient], [patient, doctor]]) {
      const content = words(`burst ${i}`);
      sent.push(content);
      await Object.values(SENDERS)[(i + (from === doctor)) % 4](from, { chatId, to: to.person, content });
    }
  }));
  const last = words('the last one');
  await doctor.old.done('send_message', { receiverId: patient.person.id, content: last, messageType: 'text' });
  for (const { chat } of sides) await chat.next('message-received', ({ content }) => content === last);
  const { events } = await doctor.person.get(`/api/v1/conversations/${chatId}/messages?limit=200`);
  const stored = events.filter(({ type }) => type === 'message.created').map(({ data }) => data.text).filter((text) => text !== last);
  assert.deepEqual([...stored].sort(), [...sent].sort());
  for (const { chat } of sides) {
    assert.deepEqual(chat.left('message-received').map(({ args: [message] }) => message.content), stored);
  }
  close();
});
