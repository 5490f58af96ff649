// A client of seed 004 that loses its connection while the server runs on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { Clinic, message004, words } from './clinic.mjs';
import { Gap } from './gap.mjs';
import { TRANSPORTS } from './line.mjs';
import { like } from './shape.mjs';

const MISSED = 25;
const gaps = [];
let plain; // as a clinic has it that asks for nothing
let replaying;

before(async () => {
  plain = await Clinic.open();
  replaying = await Clinic.open({ BEDSIDE_SOCKETIO_REPLAY: 'on' });
});
after(async () => {
  for (const gap of gaps) gap.close();
  await plain?.close();
  await replaying?.close();
});

/** A doctor on a good line and their patient behind a wire that can be cut. */
async function call(clinic, options) {
  const [doctor, patient] = await clinic.pair();
  const gap = await Gap.open(clinic.origin);
  gaps.push(gap);
  const [sends, hears] = [await doctor.open(), await patient.dial('/', options, gap.origin).connected()];
  const say = async (count = 1) => {
    const texts = Array.from({ length: count }, () => words());
    for (const content of texts) await sends.done('send_message', { receiverId: patient.id, content, messageType: 'text' });
    return texts;
  };
  return { doctor, patient, gap, sends, hears, say };
}

const contents = (line) => line.left('new_message').map(({ args: [{ message }] }) => message.content);
const lost = (line) => until(() => line.socket.disconnected, 'the client knows that its connection is gone');
const back = (line) => until(() => line.socket.connected, 'the client is connected again');

for (const [name, options] of TRANSPORTS) {
  test(`what was missed is found through the seed's REST calls: ${name}`, async () => {
    const { doctor, patient, gap, hears, say } = await call(plain, options);
    const before = await say(2);
    await until(() => contents(hears).length === 2, 'both came');
    const unread = (await patient.get('/chat/unread-count')).data.unreadCount;
    gap.cut();
    await lost(hears);
    const missed = await say(MISSED);
    gap.mend();
    await back(hears);
    assert.deepEqual((await patient.get('/chat/unread-count')).data, { unreadCount: unread + MISSED });
    const [row] = (await patient.get('/chat/conversations')).data;
    assert.equal(row.otherUser._id, doctor.id);
    assert.equal(row.unreadCount, unread + MISSED);
    assert.equal(row.lastMessage.content, missed.at(-1));
    // Page by page, as the seed's front end scrolls up: the newest page first, ascending in itself.
    const pages = [];
    for (let skip = 0; ; skip += 10) {
      const page = await patient.textsWith(doctor, `?limit=10&skip=${skip}`);
      if (page.length === 0) break;
      pages.unshift(...page);
    }
    assert.deepEqual(pages, [...before, ...missed]);
    const [live] = await say();
    await hears.next('new_message', ({ message }) => message.content === live);
    assert.deepEqual(contents(hears), before, 'nothing of the past comes by itself');
  });

  test(`with replay the missed new_message events come by themselves, each once: ${name}`, async () => {
    const { doctor, patient, gap, hears, say } = await call(replaying, options);
    const before = await say(2);
    await until(() => contents(hears).length === 2, 'both came');
    gap.cut();
    await lost(hears);
    const missed = await say(MISSED);
    gap.mend();
    await back(hears);
    const live = await say(2);
    await until(() => contents(hears).includes(live[1]), 'the last one came');
    assert.deepEqual(contents(hears), [...before, ...missed, ...live]);
    for (const { args: [payload] } of hears.left('new_message')) like(payload, { message: message004(doctor, patient, payload.message.content) });
    const hadAll = contents(hears).length;
    gap.cut();
    await lost(hears);
    gap.mend();
    await back(hears);
    const [last] = await say();
    await until(() => contents(hears).includes(last), 'the last one came');
    assert.equal(contents(hears).length, hadAll + 1, 'nothing comes again after another gap');
  });
}

test('with replay comes also what the server wrote into a connection that was dead already', async () => {
  const { gap, hears, say } = await call(replaying, { transports: ['websocket'] });
  const before = await say();
  await until(() => contents(hears).length === 1, 'it came');
  gap.swallow();
  const missed = await say(5);
  gap.cut();
  await lost(hears);
  missed.push(...await say(5));
  gap.mend();
  await back(hears);
  await until(() => contents(hears).includes(missed.at(-1)), 'the last one came');
  assert.deepEqual(contents(hears), [...before, ...missed]);
});

test('with replay a socket gets what it missed though another of the same person was there', async () => {
  const { patient, gap, hears, say } = await call(replaying, { transports: ['websocket'] });
  const there = await patient.open();
  const before = await say();
  await until(() => contents(hears).length === 1, 'it came');
  gap.cut();
  await lost(hears);
  const missed = await say(3);
  await until(() => contents(there).length === 4, 'the other device has all');
  gap.mend();
  await back(hears);
  const live = await say();
  await until(() => contents(hears).includes(live[0]), 'the last one came');
  assert.deepEqual(contents(hears), [...before, ...missed, ...live]);
  assert.deepEqual(contents(there), [...before, ...missed, ...live], 'nothing twice there');
});

test('with replay several conversations come, in their order, and group chats stay out of it', async () => {
  const { doctor, patient, gap, hears, say } = await call(replaying, {});
  const colleague = await replaying.person('doctor');
  await replaying.relate(patient, colleague);
  const other = await colleague.open();
  const { id: chatId } = await doctor.post('/api/v1/chats', { name: 'Ward', type: 'Care Team', participants: [patient.id], patientId: patient.id });
  gap.cut();
  await lost(hears);
  const mine = await say(3);
  const theirs = [words(), words()];
  for (const content of theirs) await other.done('send_message', { receiverId: patient.id, content, messageType: 'text' });
  await doctor.post(`/api/v1/chats/${chatId}/messages`, { content: words('in the group') });
  gap.mend();
  await back(hears);
  const live = await say();
  await until(() => contents(hears).includes(live[0]) && contents(hears).length >= 6, 'all came');
  const from = (person) => hears.left('new_message').map(({ args: [{ message }] }) => message).filter(({ sender }) => sender._id === person.id).map(({ content }) => content);
  assert.deepEqual(from(doctor), [...mine, ...live]);
  assert.deepEqual(from(colleague), theirs);
  assert.equal(contents(hears).length, 6);
});

test('what was sent while the connection was gone is sent when it is back, once', async () => {
  const { doctor, patient, gap, hears } = await call(plain, {});
  gap.cut();
  await lost(hears);
  const texts = [words(), words()];
  for (const content of texts) hears.say('send_message', { receiverId: doctor.id, content, messageType: 'text' });
  gap.mend();
  await back(hears);
  for (const content of texts) await hears.next('message_sent', ({ message }) => message.content === content);
  assert.deepEqual(await patient.textsWith(doctor), texts);
});
