// Seed 000's namespaces `/consultation` and `/messages`. Its ids are numbers.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Clinic, words } from './clinic.mjs';
import { like, number, text, time } from './shape.mjs';

let clinic;
let count = 1000;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

const nextId = () => String(count += 1);

/** A doctor, their patient, somebody else, and a consultation of the first two. */
async function appointment(ids = [nextId(), nextId()]) {
  const [doctor, patient] = await clinic.pair(ids);
  const stranger = await clinic.person('doctor', { id: nextId() });
  const consultation = await create(doctor, patient);
  return { doctor, patient, stranger, consultationId: consultation.id };
}

async function create(doctor, patient) {
  const { success, data } = await doctor.post('/consultations', { appointmentId: Number(nextId()), type: 'VIDEO', patientId: patient.id });
  assert.equal(success, true);
  return data;
}

const room = (consultationId, person) => ({ consultationId, userId: person.number });

async function inRoom(person, consultationId) {
  const line = await person.open('/consultation');
  await line.done('join-consultation', room(consultationId, person));
  return line;
}

const status = async (person, id) => (await person.get(`/consultations/${id}`)).data.status;

test('join and leave: user-joined and user-left to the others in the room, with numbers', async () => {
  const { doctor, patient, consultationId } = await appointment();
  assert.ok(number(consultationId), 'the id of a consultation is a number');
  const [mine, theirs] = [await inRoom(doctor, consultationId), await patient.open('/consultation')];
  theirs.say('join-consultation', room(consultationId, patient));
  like(await mine.next('user-joined'), { userId: patient.number, timestamp: time });
  theirs.say('leave-consultation', room(consultationId, patient));
  like(await mine.next('user-left'), { userId: patient.number, timestamp: time });
  await theirs.done('join-consultation', room(consultationId, patient));
  await mine.next('user-joined');
  assert.deepEqual(theirs.left('user-joined', 'user-left'), [], 'nothing of this to oneself');
});

test('user-left also when a connection is just gone', async () => {
  const { doctor, patient, consultationId } = await appointment();
  const [mine, theirs] = [await inRoom(doctor, consultationId), await inRoom(patient, consultationId)];
  await mine.next('user-joined');
  theirs.socket.io.reconnection(false);
  theirs.drop();
  like(await mine.next('user-left'), { userId: patient.number, timestamp: time });
});

test('join-consultation from outside or in another\'s name is refused, and audited', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  assert.equal((await clinic.line('/consultation', {}).refusal()).message, 'unauthorized');
  const [mine, outside, own] = [await inRoom(doctor, consultationId), await stranger.open('/consultation'), await patient.open('/consultation')];
  await clinic.audited(stranger, () => outside.isRefused('join-consultation', room(consultationId, stranger), 'not_a_member', 'not_found', 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('join-consultation', room(consultationId, patient), 'forbidden'));
  await clinic.audited(patient, () => own.isRefused('join-consultation', room(consultationId, doctor), 'forbidden'));
  await clinic.audited(patient, () => own.isRefused('leave-consultation', room(consultationId, doctor), 'forbidden'));
  await own.isRefused('join-consultation', { consultationId: 1, userId: patient.number }, 'not_found', 'not_a_member', 'invalid_argument');
  await own.done('join-consultation', room(consultationId, patient));
  await mine.next('user-joined');
  assert.deepEqual(mine.left('user-joined', 'user-left'), []);
  assert.deepEqual(outside.left('user-joined', 'user-left'), []);
});

test('start and end: to the whole room, and they are kept', async () => {
  const { doctor, patient, consultationId } = await appointment();
  const [mine, theirs] = [await inRoom(doctor, consultationId), await inRoom(patient, consultationId)];
  assert.equal(await status(patient, consultationId), 'SCHEDULED');
  mine.say('start-consultation', { consultationId });
  for (const line of [mine, theirs]) like(await line.next('consultation-started'), { consultationId, timestamp: time });
  assert.equal(await status(patient, consultationId), 'IN_PROGRESS');
  mine.say('end-consultation', { consultationId });
  for (const line of [mine, theirs]) like(await line.next('consultation-ended'), { consultationId, timestamp: time });
  assert.equal(await status(patient, consultationId), 'COMPLETED');
});

test('only its doctor starts and ends; the others are refused, and audited', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const [mine, theirs, outside] = [await inRoom(doctor, consultationId), await inRoom(patient, consultationId), await stranger.open('/consultation')];
  for (const event of ['start-consultation', 'end-consultation']) {
    await clinic.audited(patient, () => theirs.isRefused(event, { consultationId }, 'forbidden'));
    await clinic.audited(stranger, () => outside.isRefused(event, { consultationId }, 'not_a_member', 'not_found', 'forbidden'));
  }
  assert.equal(await status(doctor, consultationId), 'SCHEDULED');
  await mine.done('start-consultation', { consultationId });
  for (const line of [mine, theirs]) await line.next('consultation-started');
  for (const line of [mine, theirs]) assert.deepEqual(line.left('consultation-started', 'consultation-ended'), []);
});

test('what REST starts and ends the room is told, too', async () => {
  const { doctor, patient, consultationId } = await appointment();
  const [mine, theirs] = [await inRoom(doctor, consultationId), await inRoom(patient, consultationId)];
  await doctor.post(`/consultations/${consultationId}/start`, {});
  for (const line of [mine, theirs]) like(await line.next('consultation-started'), { consultationId, timestamp: time });
  await doctor.post(`/consultations/${consultationId}/end`, { notes: words('notes') });
  for (const line of [mine, theirs]) like(await line.next('consultation-ended'), { consultationId, timestamp: time });
});

test('notification to a user, consultation-notification to a room', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const [mine, theirs, outside] = [await inRoom(doctor, consultationId), await inRoom(patient, consultationId), await stranger.open('/consultation')];
  const notification = { type: 'appointment_reminder', title: 'Soon', body: 'In five minutes', data: { minutes: 5 } };
  const published = await clinic.rest('POST', '/api/v1/notifications', { ...notification, user_ids: [patient.id] });
  assert.ok(published.status < 300, JSON.stringify(published.body));
  like(await theirs.next('notification'), { ...notification, userId: patient.number, timestamp: time });
  const toRoom = await clinic.rest('POST', `/consultations/${consultationId}/notifications`, notification);
  assert.ok(toRoom.status < 300, JSON.stringify(toRoom.body));
  for (const line of [mine, theirs]) {
    const { title, body } = await line.next('consultation-notification');
    assert.deepEqual({ title, body }, { title: 'Soon', body: 'In five minutes' });
  }
  const own = await clinic.rest('POST', '/api/v1/notifications', { ...notification, user_ids: [stranger.id] });
  assert.ok(own.status < 300);
  await outside.next('notification');
  assert.deepEqual(outside.left('notification', 'consultation-notification'), []);
  assert.deepEqual([...mine.left('consultation-notification'), ...theirs.left('consultation-notification')], [], 'once each');
});

test('/messages: send-message reaches all of the consultation, without joining', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const [mine, theirs, outside] = [await doctor.open('/messages'), await patient.open('/messages'), await stranger.open('/messages')];
  const message = words();
  mine.say('send-message', { consultationId, message, senderId: doctor.number });
  for (const line of [mine, theirs]) like(await line.next('new-message'), { consultationId, message, senderId: doctor.number, timestamp: time });
  await settled(consultationId, patient, theirs, mine);
  for (const line of [mine, theirs, outside]) assert.deepEqual(line.left('new-message'), []);
  const { data } = await patient.get(`/messages/consultation/${consultationId}`);
  assert.equal(data.filter((row) => row.message === message).length, 1, 'it is stored, once');
});

async function settled(consultationId, from, line, ...others) {
  const message = words('the last one');
  await line.done('send-message', { consultationId, message });
  for (const other of [line, ...others]) await other.next('new-message', (said) => said.message === message);
}

test('/messages: a consultation made later is there without connecting again', async () => {
  const { doctor, patient } = await appointment();
  const [mine, theirs] = [await doctor.open('/messages'), await patient.open('/messages')];
  const { id } = await create(doctor, patient);
  await settled(id, doctor, mine, theirs);
  await settled(id, patient, theirs, mine);
});

test('/messages: what REST sends reaches the sockets', async () => {
  const { doctor, patient, consultationId } = await appointment();
  const [mine, theirs] = [await doctor.open('/messages'), await patient.open('/messages')];
  for (const path of [`/consultations/${consultationId}/messages`, '/messages']) {
    const message = words();
    await doctor.post(path, { consultationId, message, messageType: 'TEXT' });
    for (const line of [mine, theirs]) like(await line.next('new-message'), { consultationId, message, senderId: doctor.number, timestamp: time });
  }
});

test('/messages: send-message in another\'s name or from outside is refused, and audited', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const [mine, theirs, outside] = [await doctor.open('/messages'), await patient.open('/messages'), await stranger.open('/messages')];
  const send = (by) => ({ consultationId, message: words(), senderId: by.number });
  await clinic.audited(patient, () => theirs.isRefused('send-message', send(doctor), 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('send-message', send(patient), 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('send-message', send(stranger), 'not_a_member', 'not_found', 'forbidden'));
  await settled(consultationId, doctor, mine, theirs);
  for (const line of [mine, theirs, outside]) assert.deepEqual(line.left('new-message'), []);
  assert.equal((await patient.get(`/messages/consultation/${consultationId}`)).data.length, 1);
});

test('/messages: typing goes to the others in the consultation', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const [mine, theirs, outside] = [await doctor.open('/messages'), await patient.open('/messages'), await stranger.open('/messages')];
  for (const isTyping of [true, false]) {
    mine.say('typing', { consultationId, userId: doctor.number, isTyping });
    like(await theirs.next('user-typing'), { userId: doctor.number, isTyping, timestamp: time });
  }
  await clinic.audited(patient, () => theirs.isRefused('typing', { consultationId, userId: doctor.number, isTyping: true }, 'forbidden'));
  await clinic.audited(stranger, () => outside.isRefused('typing', { consultationId, userId: stranger.number, isTyping: true }, 'not_a_member', 'not_found', 'forbidden'));
  await settled(consultationId, doctor, mine, theirs);
  for (const line of [mine, theirs, outside]) assert.deepEqual(line.left('user-typing'), []);
});

test('/messages: message-read tells the members, and nobody else', async () => {
  const { doctor, patient, stranger, consultationId } = await appointment();
  const other = await appointment();
  const [mine, theirs, outside] = [await doctor.open('/messages'), await patient.open('/messages'), await stranger.open('/messages')];
  const elsewhere = await other.patient.open('/messages');
  await settled(consultationId, doctor, mine, theirs);
  const [{ id: messageId }] = (await patient.get(`/messages/consultation/${consultationId}`)).data;
  assert.ok(text(messageId));
  await clinic.audited(stranger, () => outside.isRefused('message-read', { messageId, userId: stranger.number }, 'not_a_member', 'not_found', 'forbidden'));
  await clinic.audited(patient, () => theirs.isRefused('message-read', { messageId, userId: doctor.number }, 'forbidden'));
  const unread = async () => (await patient.get('/messages/unread')).data.length;
  assert.equal(await unread(), 1);
  theirs.say('message-read', { messageId, userId: patient.number });
  for (const line of [mine, theirs]) like(await line.next('message-read-status'), { messageId, userId: patient.number, timestamp: time });
  assert.equal(await unread(), 0);
  await settled(other.consultationId, other.patient, elsewhere);
  for (const line of [mine, theirs, outside, elsewhere]) assert.deepEqual(line.left('message-read-status'), []);
});

test('ids that are no plain numbers stay text', async () => {
  const { doctor, patient, consultationId } = await appointment(['0042', '9007199254740993']);
  const [mine, theirs] = [await doctor.open('/messages'), await patient.open('/messages')];
  for (const [from, line, other] of [[doctor, mine, theirs], [patient, theirs, mine]]) {
    const message = words();
    line.say('send-message', { consultationId, message, senderId: from.id });
    for (const hears of [line, other]) like(await hears.next('new-message'), { consultationId, message, senderId: from.id, timestamp: time });
  }
});

test('one connection carries all namespaces', async () => {
  const { doctor, patient, consultationId } = await appointment();
  const first = await patient.open('/');
  const lines = { '/': first };
  for (const namespace of ['/notifications', '/consultation', '/messages']) {
    // The same manager: what io() does by itself for one address.
    lines[namespace] = await clinic.keep(first.beside(namespace, { auth: { token: patient.token } })).connected();
  }
  await lines['/consultation'].done('join-consultation', room(consultationId, patient));
  const [mine, chat] = [await doctor.open('/messages'), await doctor.open('/')];
  await settled(consultationId, doctor, mine, lines['/messages']);
  await chat.done('send_message', { receiverId: patient.id, content: words(), messageType: 'text' });
  await first.next('new_message');
  lines['/messages'].close();
  await chat.done('send_message', { receiverId: patient.id, content: words(), messageType: 'text' });
  await first.next('new_message');
  await settled(consultationId, doctor, mine);
  assert.deepEqual(lines['/messages'].left('new-message'), [], 'that namespace was left');
});
