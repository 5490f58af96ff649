// Seed 004's events: direct messages between two people.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { Clinic, FILES, message004, words } from './clinic.mjs';
import { like } from './shape.mjs';

/** A typing mark that is not renewed ends after so long. */
const TYPING_TTL_MS = 5_000;
/** How long somebody without a connection still counts as online. */
const OFFLINE_AFTER_MS = 10_000;

let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

/** Says something and waits until it is there: what was said before it has come, or never does. */
async function settled(from, line, to) {
  const content = words('the last one');
  await from.done('send_message', { receiverId: to.id, content, messageType: 'text' });
  await line.next('new_message', ({ message }) => message.content === content);
}

test('send_message: message_sent on all of the sender\'s sockets, new_message on the receiver\'s', async () => {
  const [doctor, patient] = await clinic.pair();
  const mine = [await doctor.open(), await doctor.open()];
  const theirs = [await patient.open(), await patient.open()];
  const content = words();
  mine[0].say('send_message', { receiverId: patient.id, content, messageType: 'text', fileUrl: null, fileName: null });
  const wanted = { message: message004(doctor, patient, content) };
  const got = [];
  for (const line of mine) got.push(await line.next('message_sent'));
  for (const line of theirs) got.push(await line.next('new_message'));
  for (const payload of got) {
    like(payload, wanted);
    assert.deepEqual(payload, got[0], 'the same to everybody');
  }
  await settled(mine[0], theirs[0], patient);
  for (const line of mine) assert.deepEqual(line.left('new_message'), [], 'the sender gets no new_message');
  for (const line of theirs) assert.deepEqual(line.left('new_message', 'message_sent').filter(({ args }) => args[0].message.content === content), []);
  assert.deepEqual((await patient.messagesWith(doctor))[0], got[0].message, 'REST says the same');
});

test('send_message without a messageType is text, and null is as absent', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  const [one, two] = [words(), words()];
  await mine.done('send_message', { receiverId: doctor.id, content: one });
  await mine.done('send_message', { receiverId: doctor.id, content: two, messageType: null, fileUrl: null });
  like(await theirs.next('new_message'), { message: message004(patient, doctor, one) });
  like(await theirs.next('new_message'), { message: message004(patient, doctor, two) });
});

test('send_message with a file of the clinic', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  for (const [messageType, fileName] of [['image', 'rash.png'], ['file', 'letter.pdf']]) {
    const content = words();
    const file = { messageType, fileUrl: `${FILES}/${fileName}`, fileName };
    await mine.done('send_message', { receiverId: doctor.id, content, ...file });
    like(await theirs.next('new_message'), { message: message004(patient, doctor, content, file) });
  }
});

test('send_message with a file from anywhere else is refused, and audited', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  for (const fileUrl of [
    'https://evil.example/x.png', 'http://files.clinic.example/x.png', `${FILES}.evil.example/x`, 'https://files.clinic.example@evil.example/x',
    'javascript:alert(1)', '//evil.example/x', 'data:text/html,x',
  ]) {
    await clinic.audited(patient, async () => {
      await mine.isRefused('send_message', { receiverId: doctor.id, content: words('with a link'), messageType: 'file', fileUrl, fileName: 'x' }, 'invalid_argument');
    });
  }
  await settled(mine, theirs, doctor);
  assert.deepEqual(theirs.left('new_message'), []);
  assert.equal((await doctor.messagesWith(patient)).length, 1);
});

test('a send that is sent again under its clientMsgId is one message', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  const content = words();
  const send = { receiverId: doctor.id, content, messageType: 'text', clientMsgId: 'tap-1' };
  for (let i = 0; i < 3; i += 1) await mine.done('send_message', send);
  await settled(mine, theirs, doctor);
  assert.equal(theirs.left('new_message').length, 1);
  assert.deepEqual((await doctor.textsWith(patient)).filter((said) => said === content), [content]);
});

test('send_message to somebody without a relation is refused, and nothing is stored', async () => {
  const [doctor, patient] = await clinic.pair();
  const stranger = await clinic.person('doctor');
  const [mine, theirs, friend] = [await patient.open(), await stranger.open(), await doctor.open()];
  await mine.isRefused('send_message', { receiverId: stranger.id, content: words(), messageType: 'text' }, 'forbidden', 'not_found');
  await mine.isRefused('send_message', { receiverId: 'nobody-at-all', content: words(), messageType: 'text' }, 'forbidden', 'not_found');
  await mine.isRefused('send_message', { receiverId: patient.id, content: words(), messageType: 'text' }, 'forbidden', 'invalid_argument');
  await settled(mine, friend, doctor);
  assert.deepEqual(theirs.left('new_message'), []);
  assert.equal((await stranger.ask('GET', `/chat/conversations/${patient.id}`)).status, 403);
});

test('send_message in the name of somebody else is refused, and audited', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  await clinic.audited(patient, () => mine.isRefused('send_message', { receiverId: doctor.id, senderId: doctor.id, content: words(), messageType: 'text' }, 'forbidden'));
  assert.deepEqual(theirs.left('new_message', 'message_sent'), []);
  await mine.done('send_message', { receiverId: doctor.id, senderId: patient.id, content: words(), messageType: 'text' });
  await theirs.next('new_message');
  assert.equal((await doctor.messagesWith(patient)).length, 1);
});

test('a relation that ended lets nothing through', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  await settled(mine, theirs, doctor);
  await clinic.unrelate(patient, doctor);
  await mine.isRefused('send_message', { receiverId: doctor.id, content: words(), messageType: 'text' }, 'forbidden');
  await mine.isRefused('typing_start', { receiverId: doctor.id }, 'forbidden');
  assert.equal((await doctor.messagesWith(patient)).length, 1, 'what was said can still be read');
  assert.deepEqual(theirs.left('new_message', 'typing_start'), []);
});

test('typing_start and typing_stop: userId, to the receiver alone', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, other, theirs] = [await patient.open(), await patient.open(), await doctor.open()];
  mine.say('typing_start', { receiverId: doctor.id });
  assert.deepEqual(await theirs.next('typing_start'), { userId: patient.id });
  mine.say('typing_stop', { receiverId: doctor.id });
  assert.deepEqual(await theirs.next('typing_stopped'), { userId: patient.id });
  await settled(mine, theirs, doctor);
  for (const line of [mine, other]) assert.deepEqual(line.left('typing_start', 'typing_stopped'), []);
});

test('typing ends by itself after five seconds', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  mine.say('typing_start', { receiverId: doctor.id });
  await theirs.next('typing_start');
  const begun = Date.now();
  assert.deepEqual(await theirs.next('typing_stopped'), { userId: patient.id });
  const lasted = Date.now() - begun;
  assert.ok(lasted > TYPING_TTL_MS - 500 && lasted < TYPING_TTL_MS + 3_000, `${lasted} ms`);
});

test('who only types shares a conversation from then on', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  await mine.done('typing_start', { receiverId: doctor.id });
  await theirs.next('typing_start');
  await theirs.done('set_status', { status: 'busy' });
  assert.deepEqual(await mine.next('user_status_change', ({ status }) => status === 'busy'), { userId: doctor.id, isOnline: true, status: 'busy' });
  await mine.done('set_status', { status: 'away' });
  assert.deepEqual(await theirs.next('user_status_change', ({ status }) => status === 'away'), { userId: patient.id, isOnline: true, status: 'away' });
  for (const person of [doctor, patient]) assert.deepEqual((await person.get('/chat/conversations')).data, [], 'nothing is listed before there is a message');
});

test('typing at somebody without a relation is refused, and audited', async () => {
  const [, patient] = await clinic.pair();
  const stranger = await clinic.person('doctor');
  const [mine, theirs] = [await patient.open(), await stranger.open()];
  for (const event of ['typing_start', 'typing_stop']) {
    await clinic.audited(patient, () => mine.isRefused(event, { receiverId: stranger.id }, 'forbidden', 'not_found', 'not_a_member'));
  }
  await clinic.relate(patient, stranger);
  await settled(mine, theirs, stranger);
  assert.deepEqual(theirs.left('typing_start', 'typing_stopped'), []);
});

test('mark_read: messages_read to the original sender, kept by REST', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  for (let i = 0; i < 3; i += 1) await mine.done('send_message', { receiverId: doctor.id, content: words(), messageType: 'text' });
  for (let i = 0; i < 3; i += 1) await theirs.next('new_message');
  assert.deepEqual((await doctor.get('/chat/unread-count')).data, { unreadCount: 3 });
  theirs.say('mark_read', { senderId: patient.id });
  assert.deepEqual(await mine.next('messages_read'), { userId: doctor.id });
  assert.deepEqual((await doctor.get('/chat/unread-count')).data, { unreadCount: 0 });
  assert.deepEqual((await patient.messagesWith(doctor)).map((message) => message.isRead), [true, true, true]);
  assert.deepEqual(theirs.left('messages_read'), []);
});

test('mark_read marks nothing that this user was never sent', async () => {
  const [doctor, patient] = await clinic.pair();
  const mine = await patient.open();
  for (let i = 0; i < 2; i += 1) await mine.done('send_message', { receiverId: doctor.id, content: words(), messageType: 'text' });
  const theirs = await doctor.open();
  await theirs.done('mark_read', { senderId: patient.id });
  assert.deepEqual((await doctor.get('/chat/unread-count')).data, { unreadCount: 2 });
  assert.equal((await doctor.messagesWith(patient)).length, 2); // this page shows them
  await theirs.done('mark_read', { senderId: patient.id });
  assert.deepEqual(await mine.next('messages_read'), { userId: doctor.id });
  assert.deepEqual((await doctor.get('/chat/unread-count')).data, { unreadCount: 0 });
});

test('mark_read of somebody without a relation is refused', async () => {
  const [, patient] = await clinic.pair();
  const stranger = await clinic.person('doctor');
  const [mine, theirs] = [await patient.open(), await stranger.open()];
  await mine.isRefused('mark_read', { senderId: stranger.id }, 'forbidden', 'not_found', 'not_a_member');
  assert.deepEqual(theirs.left('messages_read'), []);
});

test('set_status: user_status_change to those who share a conversation, and to nobody else', async () => {
  const [doctor, patient] = await clinic.pair();
  const stranger = await clinic.person('patient');
  const colleague = await clinic.person('doctor');
  await clinic.relate(stranger, colleague);
  const [mine, theirs, elsewhere, friend] = [await doctor.open(), await patient.open(), await stranger.open(), await colleague.open()];
  await settled(mine, theirs, patient);
  await settled(elsewhere, friend, colleague);
  const isBusy = ({ status }) => status === 'busy';
  mine.say('set_status', { status: 'busy' });
  assert.deepEqual(await theirs.next('user_status_change', isBusy), { userId: doctor.id, isOnline: true, status: 'busy' });
  for (const status of ['away', 'available']) {
    await mine.done('set_status', { status });
    assert.deepEqual(await theirs.next('user_status_change', (change) => change.status === status), { userId: doctor.id, isOnline: true, status });
  }
  await friend.done('set_status', { status: 'away' });
  await elsewhere.next('user_status_change', ({ userId, status }) => userId === colleague.id && status === 'away');
  assert.deepEqual(elsewhere.left('user_status_change').filter(({ args }) => args[0].userId === doctor.id), []);
  await mine.isRefused('set_status', { status: 'invisible' }, 'invalid_argument');
});

test('user_status_change tells who comes and who goes', async () => {
  const [doctor, patient] = await clinic.pair();
  const mine = await patient.open();
  await mine.done('send_message', { receiverId: doctor.id, content: words(), messageType: 'text' });
  const theirs = await doctor.open();
  assert.deepEqual(await mine.next('user_status_change', ({ isOnline }) => isOnline), { userId: doctor.id, isOnline: true, status: 'available' });
  const online = async () => (await patient.post('/chat/online-status', { userIds: [doctor.id] })).data;
  assert.deepEqual(await online(), [{ userId: doctor.id, isOnline: true }]);
  theirs.close();
  const gone = await until(() => mine.left('user_status_change').find(({ args }) => !args[0].isOnline), 'the doctor is offline', OFFLINE_AFTER_MS + 5_000);
  assert.equal(gone.args[0].userId, doctor.id);
  assert.deepEqual(Object.keys(gone.args[0]).sort(), ['isOnline', 'status', 'userId']);
  assert.deepEqual(await online(), [{ userId: doctor.id, isOnline: false }]);
});

test('a refusal is an error event with a message, to the caller alone, and the connection goes on', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, other, theirs] = [await patient.open(), await patient.open(), await doctor.open()];
  for (const broken of [null, 7, 'text', [], {}, { receiverId: 7 }, { receiverId: doctor.id, content: { $gt: '' } }, { receiverId: doctor.id, messageType: 'video', content: 'x' }]) {
    await mine.isRefused('send_message', broken, 'invalid_argument');
  }
  await mine.isRefused('no_such_event', {}, 'invalid_argument', 'not_found');
  await settled(mine, theirs, doctor);
  assert.deepEqual(other.left('error'), []);
  assert.equal((await doctor.messagesWith(patient)).length, 1);
});

test('what REST does reaches the sockets as what sockets do', async () => {
  const [doctor, patient] = await clinic.pair();
  const [mine, theirs] = [await patient.open(), await doctor.open()];
  const [question, answer] = [words(), words()];
  await patient.post('/users/send-message', { doctorId: doctor.id, content: question, messageType: 'text', fileUrl: null, fileName: null });
  like(await theirs.next('new_message'), { message: message004(patient, doctor, question) });
  like(await mine.next('message_sent'), { message: message004(patient, doctor, question) });
  await doctor.post(`/doctors/patients/${patient.id}/messages`, { message: answer });
  like(await mine.next('new_message'), { message: message004(doctor, patient, answer) });
  await patient.put(`/users/conversations/${doctor.id}/read`);
  assert.deepEqual(await theirs.next('messages_read'), { userId: patient.id });
  await doctor.put(`/chat/conversations/${patient.id}/read`);
  assert.deepEqual(await mine.next('messages_read'), { userId: doctor.id });
});
