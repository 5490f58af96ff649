// Seed 003's events on `/`: chats that a socket has joined.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Clinic, FILES, words } from './clinic.mjs';
import { like, text, time } from './shape.mjs';

let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

/** A care team: a patient, two doctors of theirs, and a doctor who is not in it. */
async function team() {
  const [doctor, patient] = await clinic.pair();
  const colleague = await clinic.person('doctor');
  const stranger = await clinic.person('doctor');
  for (const other of [colleague, stranger]) await clinic.relate(patient, other);
  const chat = await doctor.post('/api/v1/chats', { name: 'Ward 3', type: 'Care Team', participants: [patient.id, colleague.id], patientId: patient.id });
  return { doctor, patient, colleague, stranger, chatId: chat.id };
}

async function joined(person, chatId) {
  const line = await person.open();
  await line.done('join-chat', { chatId, userId: person.id });
  await line.next('user-joined', ({ userId }) => userId === person.id);
  return line;
}

/** A row of seed 003's messages table, in camelCase. */
const row = (chatId, from, content, more = {}) => ({
  id: text, chatId, senderId: from.id, content, messageType: 'text', fileUrl: null, fileName: null, fileSize: null, mimeType: null, isRead: false,
  voiceDuration: null, isTranscribing: false, transcription: null, transcriptionSummary: null, callId: null, callType: null,
  createdAt: time, updatedAt: time, deletedAt: null, ...more,
});

const send = (chatId, from, content, more = {}) => ({ chatId, content, type: 'text', senderId: from.id, ...more });

/** What was said in this chat before has come to all of them, or never does. */
async function settled(chatId, from, line, ...others) {
  const content = words('the last one');
  await line.done('send-message', send(chatId, from, content));
  for (const other of [line, ...others]) await other.next('message-received', (message) => message.content === content);
}

const texts = async (person, chatId) => (await person.get(`/api/v1/chats/${chatId}/messages`)).data.map((message) => message.content);

test('join-chat: user-joined to the room, the one who joined too', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await doctor.open(), await patient.open()];
  mine.say('join-chat', { chatId, userId: doctor.id });
  const alone = { socketId: text, userId: doctor.id, chatId };
  const first = await mine.next('user-joined');
  like(first, { userId: doctor.id, connectedUsers: [alone] });
  theirs.say('join-chat', { chatId, userId: patient.id });
  const both = { userId: patient.id, connectedUsers: [alone, { socketId: text, userId: patient.id, chatId }] };
  for (const line of [mine, theirs]) like(await line.next('user-joined'), both);

  // Who joins again is there once; what stands for a socket is not what could be guessed or used.
  mine.say('join-chat', { chatId, userId: doctor.id });
  const again = await mine.next('user-joined');
  assert.equal(again.connectedUsers.length, 2);
  const shown = new Set(again.connectedUsers.map(({ socketId }) => socketId));
  assert.equal(shown.size, 2);
  assert.ok(shown.has(first.connectedUsers[0].socketId), 'it stands for the same socket as before');
  for (const line of [mine, theirs]) assert.ok(!shown.has(line.socket.id) && !shown.has(line.socket.io.engine.id), 'no id of a socket or session is told');
});

test('who left is not among the connected', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await joined(doctor, chatId), await joined(patient, chatId)];
  theirs.close();
  const back = await joined(patient, chatId);
  const seen = await mine.next('user-joined', ({ userId, connectedUsers }) => userId === patient.id && connectedUsers.length <= 2);
  assert.deepEqual(seen.connectedUsers.map(({ userId }) => userId).sort(), [doctor.id, patient.id].sort());
  back.close();
});

test('join-chat without a token, membership or with another\'s userId is refused', async () => {
  const { doctor, patient, stranger, chatId } = await team();
  assert.equal((await clinic.line('/', {}).refusal()).message, 'unauthorized');
  const [mine, outside] = [await joined(doctor, chatId), await stranger.open()];
  await clinic.audited(stranger, () => outside.isRefused('join-chat', { chatId, userId: stranger.id }, 'not_a_member', 'not_found', 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('join-chat', { chatId, userId: doctor.id }, 'forbidden'));
  const own = await patient.open();
  await clinic.audited(patient, () => own.isRefused('join-chat', { chatId, userId: doctor.id }, 'forbidden'));
  await settled(chatId, doctor, mine);
  for (const line of [outside, own]) assert.deepEqual(line.left('message-received', 'user-joined'), []);
  assert.deepEqual(mine.left('user-joined'), []);
  await own.isRefused('join-chat', { chatId: 'no-such-chat', userId: patient.id }, 'not_a_member', 'not_found', 'invalid_argument');
});

test('send-message: message-received to all who joined, the sender too', async () => {
  const { doctor, patient, colleague, chatId } = await team();
  const [mine, theirs, idle] = [await joined(doctor, chatId), await joined(patient, chatId), await colleague.open()];
  const content = words();
  mine.say('send-message', send(chatId, doctor, content));
  const got = [await mine.next('message-received'), await theirs.next('message-received')];
  for (const message of got) {
    like(message, row(chatId, doctor, content));
    assert.deepEqual(message, got[0]);
  }
  await settled(chatId, patient, theirs, mine);
  for (const line of [mine, theirs]) assert.deepEqual(line.left('message-received', 'new_message', 'message_sent'), []);
  assert.deepEqual(idle.left('message-received'), [], 'who has not joined gets nothing');
  const stored = (await colleague.get(`/api/v1/chats/${chatId}/messages`)).data[0];
  assert.deepEqual({ ...stored, isRead: false }, got[0], 'REST says the same');
});

test('send-message with a file; without a type it is text; without a senderId it is mine', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await joined(doctor, chatId), await joined(patient, chatId)];
  const file = { fileUrl: `${FILES}/scan.png`, fileName: 'scan.png' };
  const [one, two] = [words(), words()];
  await mine.done('send-message', send(chatId, doctor, one, { type: 'image', ...file }));
  like(await theirs.next('message-received'), row(chatId, doctor, one, { messageType: 'image', ...file }));
  await mine.done('send-message', { chatId, content: two });
  like(await theirs.next('message-received'), row(chatId, doctor, two));
});

test('send-message in another\'s name, from outside or of a kind that is the server\'s is refused', async () => {
  const { doctor, patient, stranger, chatId } = await team();
  const [mine, theirs, outside] = [await joined(doctor, chatId), await joined(patient, chatId), await stranger.open()];
  await clinic.audited(patient, () => theirs.isRefused('send-message', send(chatId, doctor, words()), 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('send-message', send(chatId, doctor, words()), 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('send-message', send(chatId, stranger, words()), 'not_a_member', 'not_found', 'forbidden'));
  for (const type of ['system', 'call_log', 'nonsense']) {
    await theirs.isRefused('send-message', send(chatId, patient, words(), { type }), 'invalid_argument', 'forbidden');
  }
  await theirs.isRefused('send-message', send(chatId, patient, words(), { type: 'file', fileUrl: 'https://evil.example/x' }), 'invalid_argument');
  await settled(chatId, doctor, mine, theirs);
  for (const line of [mine, theirs]) assert.deepEqual(line.left('message-received'), []);
  assert.equal((await texts(doctor, chatId)).length, 1, 'nothing of it was stored');
});

test('who is removed gets nothing more, though they joined before', async () => {
  const { doctor, patient, colleague, chatId } = await team();
  const [mine, gone, stays] = [await joined(doctor, chatId), await joined(colleague, chatId), await joined(patient, chatId)];
  await settled(chatId, doctor, mine, gone, stays);
  const answer = await doctor.ask('DELETE', `/api/v1/chats/${chatId}/participants/${colleague.id}`);
  assert.ok(answer.status < 300, `${answer.status}`);
  await mine.done('typing', { chatId, userId: doctor.id, isTyping: true });
  await settled(chatId, doctor, mine, stays);
  assert.deepEqual(gone.left('message-received', 'user-typing'), []);
  await gone.isRefused('send-message', send(chatId, colleague, words()), 'not_a_member', 'forbidden', 'not_found');
});

test('typing: user-typing to the others in the room, not back to the typist', async () => {
  const { doctor, patient, colleague, chatId } = await team();
  const [mine, theirs, idle] = [await joined(doctor, chatId), await joined(patient, chatId), await colleague.open()];
  for (const isTyping of [true, false]) {
    mine.say('typing', { chatId, userId: doctor.id, isTyping });
    assert.deepEqual(await theirs.next('user-typing'), { userId: doctor.id, isTyping });
  }
  await settled(chatId, doctor, mine, theirs);
  for (const line of [mine, idle]) assert.deepEqual(line.left('user-typing'), []);
});

test('typing in another\'s name or from outside is refused, and audited', async () => {
  const { doctor, patient, stranger, chatId } = await team();
  const [mine, theirs, outside] = [await joined(doctor, chatId), await joined(patient, chatId), await stranger.open()];
  await clinic.audited(patient, () => theirs.isRefused('typing', { chatId, userId: doctor.id, isTyping: true }, 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('typing', { chatId, userId: stranger.id, isTyping: true }, 'not_a_member', 'not_found', 'forbidden'));
  await settled(chatId, doctor, mine, theirs);
  for (const line of [mine, theirs]) assert.deepEqual(line.left('user-typing'), []);
});

test('message-read: messageId, readBy and readAt to the room, and it is kept', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await joined(doctor, chatId), await joined(patient, chatId)];
  await mine.done('send-message', send(chatId, doctor, words()));
  const { id: messageId } = await theirs.next('message-received');
  const unread = async () => (await patient.get('/api/v1/chats')).data.find((chat) => chat.id === chatId).unreadCount;
  assert.equal(await unread(), 1);
  theirs.say('message-read', { chatId, messageId, userId: patient.id });
  for (const line of [mine, theirs]) like(await line.next('message-read'), { messageId, readBy: patient.id, readAt: time });
  assert.equal(await unread(), 0);
});

test('message-read in another\'s name, from outside or of another chat is refused', async () => {
  const { doctor, patient, colleague, stranger, chatId } = await team();
  const elsewhere = await team();
  const [mine, theirs, outside] = [await joined(doctor, chatId), await joined(patient, chatId), await stranger.open()];
  await mine.done('send-message', send(chatId, doctor, words()));
  const { id: messageId } = await theirs.next('message-received');
  await clinic.audited(patient, () => theirs.isRefused('message-read', { chatId, messageId, userId: colleague.id }, 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('message-read', { chatId, messageId, userId: stranger.id }, 'not_a_member', 'not_found', 'forbidden'));
  const other = await joined(elsewhere.patient, elsewhere.chatId);
  await other.isRefused('message-read', { chatId: elsewhere.chatId, messageId, userId: elsewhere.patient.id }, 'not_found', 'invalid_argument');
  await settled(chatId, doctor, mine, theirs);
  for (const line of [mine, theirs]) assert.deepEqual(line.left('message-read'), []);
  const { unreadCount } = (await patient.get('/api/v1/chats')).data.find((chat) => chat.id === chatId);
  assert.equal(unreadCount, 2);
});

test('call-initiated: to the room, under ids that the server chose', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await joined(doctor, chatId), await joined(patient, chatId)];
  for (const callType of ['voice', 'video']) {
    mine.say('call-initiated', { chatId, callId: 'my-call', callType, initiatedBy: doctor.id, roomId: 'my-room' });
    const got = [await mine.next('call-initiated'), await theirs.next('call-initiated')];
    like(got[0], { callId: text, callType, initiatedBy: doctor.id, roomId: text });
    assert.deepEqual(got[1], got[0]);
    assert.ok(got[0].callId !== 'my-call' && got[0].roomId !== 'my-room');
  }
});

test('call-initiated in another\'s name or from outside is refused, and audited', async () => {
  const { doctor, patient, stranger, chatId } = await team();
  const [mine, theirs, outside] = [await joined(doctor, chatId), await joined(patient, chatId), await stranger.open()];
  const call = (by) => ({ chatId, callId: 'c', callType: 'video', initiatedBy: by.id, roomId: 'r' });
  await clinic.audited(patient, () => theirs.isRefused('call-initiated', call(doctor), 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('call-initiated', call(stranger), 'not_a_member', 'not_found', 'forbidden'));
  await settled(chatId, doctor, mine, theirs);
  for (const line of [mine, theirs]) assert.deepEqual(line.left('call-initiated'), []);
});

test('REST posts reach those who joined', async () => {
  const { doctor, patient, chatId } = await team();
  const [mine, theirs] = [await joined(doctor, chatId), await joined(patient, chatId)];
  const content = words();
  await doctor.post(`/api/v1/chats/${chatId}/messages`, { content, messageType: 'text' });
  for (const line of [mine, theirs]) like(await line.next('message-received'), row(chatId, doctor, content));
});

test('a broadcast tells an ordinary member of nobody else', async () => {
  const [author, reader, other] = [await clinic.person('admin'), await clinic.person('nurse'), await clinic.person('nurse')];
  const { id: chatId } = await author.post('/api/v1/chats', { name: 'News', type: 'Broadcast', participants: [reader.id, other.id] });
  const [posts, reads, alsoReads] = [await author.open(), await reader.open(), await other.open()];
  for (const [line, person] of [[posts, author], [alsoReads, other], [reads, reader]]) await line.done('join-chat', { chatId, userId: person.id });
  await alsoReads.ask('typing', { chatId, userId: other.id, isTyping: true });
  await alsoReads.isRefused('send-message', send(chatId, other, words()), 'forbidden');
  await settled(chatId, author, posts, reads, alsoReads);
  const seen = reads.left('user-joined', 'user-typing', 'message-read', 'message-received').flatMap(({ args }) => JSON.stringify(args));
  assert.deepEqual(seen.filter((said) => said.includes(`"${other.id}"`)), []);
});
