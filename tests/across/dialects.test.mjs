// A client of seed 004 on one node and a native one on another.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { words } from '../clients/clinic.mjs';
import { within } from '../clients/line.mjs';
import { findCluster } from './cluster.mjs';
import { assertAscending, known, shown, stored, texts } from './log.mjs';
import { Device, done } from './patience.mjs';

const BURST = 12;
let cluster;

before(async () => {
  cluster = await findCluster();
});
after(() => cluster?.close());

/** A doctor whose front end is of seed 004, and a patient with a native one on the next node. */
async function meeting(at) {
  const here = cluster.clinics[at];
  const there = cluster.clinics[(at + 1) % cluster.clinics.length];
  const [doctor, person] = await here.pair();
  const patient = person.at(there);
  const [old, native] = [await doctor.open(), await Device.open(patient)];
  const { conversation } = await native.command('conversation.create', { kind: 'direct', member_ids: [doctor.id] });
  const id = conversation.conversation_id;
  await native.command('conversation.subscribe', { conversation_id: id });
  const send = (text) => native.say(id, text);
  const say = (content) => done(old, 'send_message', { receiverId: patient.id, content, messageType: 'text', clientMsgId: content });
  return { doctor, patient, old, native, id, send, say };
}

for (const at of [0, 1, 2]) {
  const where = `n${at + 1} and n${(at + 1) % 3 + 1}`;

  test(`messages both ways, in one order: ${where}`, async () => {
    const { doctor, patient, old, native, id, send, say } = await meeting(at);
    const [question, answer] = [words('how are you'), words('well')];
    await say(question);
    await native.next('message.created', ({ conversation_id, data }) => conversation_id === id && data.text === question);
    await send(answer);
    const { message } = await old.next('new_message', ({ message: { content } }) => content === answer);
    assert.deepEqual([message.sender._id, message.receiver._id], [patient.id, doctor.id]);

    const replies = [];
    await Promise.all(Array.from({ length: BURST }, async (_, i) => {
      await say(words(`doctor ${i}`));
      const text = words(`patient ${i}`);
      replies.push({ type: 'message.created', data: { text }, seq: (await send(text)).seq });
    }));
    const [first, last] = [words('the last of the doctor'), words('the last of the patient')];
    await say(first);
    await send(last);
    await old.next('new_message', ({ message: { content } }) => content === last);
    await native.next('message.created', ({ data }) => data.text === first);

    const log = texts(await stored(doctor, id));
    assert.deepEqual(texts(await stored(patient, id)), log, 'both nodes have one log');
    assert.equal(log.length, 2 * BURST + 4);
    const ofOld = old.left('message_sent', 'new_message').map(({ args: [{ message: { content } }] }) => content);
    assert.deepEqual(ofOld.filter((text) => ![question, answer, first, last].includes(text)), log.slice(2, -2), 'as the doctor saw it');
    // The last of the patient's own came as an answer only, the last of the doctor's was taken.
    const ofNative = texts(known(native, id, replies)).filter((text) => ![question, answer, first, last].includes(text));
    assert.deepEqual(ofNative, log.slice(2, -2), 'as the patient saw it');
    assertAscending(shown(native, id));
    native.close();
  });

  test(`typing, receipts: ${where}`, async () => {
    const { doctor, patient, old, native, id, send, say } = await meeting(at);
    for (const [event, typing] of [['typing_start', true], ['typing_stop', false]]) {
      await done(old, event, { receiverId: patient.id });
      await native.next('typing.changed', ({ data }) => data.user_id === doctor.id && data.typing === typing);
    }
    for (const [event, typing] of [['typing_start', true], ['typing_stopped', false]]) {
      await native.command('typing.set', { conversation_id: id, typing });
      assert.deepEqual(await old.next(event), { userId: patient.id });
    }

    await say(words());
    const { seq } = await native.next('message.created');
    await native.command('receipt.read', { conversation_id: id, up_to_seq: seq });
    assert.deepEqual(await old.next('messages_read'), { userId: patient.id });
    const mine = await send(words());
    await old.next('new_message');
    await done(old, 'mark_read', { senderId: patient.id });
    const { data } = await native.next('receipt.changed', (event) => event.data.user_id === doctor.id && event.data.read_up_to_seq >= mine.seq);
    assert.equal(data.read_up_to_seq, mine.seq);
    native.close();
  });
}

/** Who closes their connection counts as there for a while; so all three at once. */
test('presence', () => Promise.all([0, 1, 2].map(async (at) => {
  const { doctor, patient, old, native, say } = await meeting(at);
  await say(words()); // people in a conversation with something in it hear of each other
  await native.command('presence.watch', { user_ids: [doctor.id] });
  await done(old, 'set_status', { status: 'busy' });
  await native.next('presence.changed', ({ data }) => data.user_id === doctor.id && data.online && data.status === 'busy');
  await native.command('presence.set', { status: 'away' });
  assert.deepEqual(await old.next('user_status_change', ({ status }) => status === 'away'), { userId: patient.id, isOnline: true, status: 'away' });
  native.close();
  await within(native.closed, () => 'the end of the connection');
  const gone = await old.next('user_status_change', ({ isOnline }) => !isOnline);
  assert.equal(gone.userId, patient.id);
  const back = await Device.open(patient);
  await old.next('user_status_change', ({ userId, isOnline }) => userId === patient.id && isOnline);
  await back.command('presence.watch', { user_ids: [doctor.id] });
  old.close();
  await back.next('presence.changed', ({ data }) => data.user_id === doctor.id && !data.online);
  back.close();
})));

test('who comes to a node is not sent what was said before, and all that is said since', async () => {
  const [here, there] = cluster.clinics;
  const [doctor, person] = await here.pair();
  const patient = person.at(there);
  const old = await doctor.open();
  const say = async (content) => {
    await done(old, 'send_message', { receiverId: patient.id, content, messageType: 'text', clientMsgId: content });
    return content;
  };
  for (let i = 0; i < 3; i += 1) await say(words('before'));
  const line = await patient.open();
  const said = [];
  // Longer than until the node has asked what it was not told.
  for (const until = Date.now() + 3_000; Date.now() < until;) said.push(await say(words('since')));
  await line.next('new_message', ({ message }) => message.content === said.at(-1));
  assert.deepEqual(line.left('new_message').map(({ args: [{ message }] }) => message.content), said.slice(0, -1));
});
