// Seed 003's namespace `/notifications`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Clinic } from './clinic.mjs';
import { like, text, time } from './shape.mjs';

const TYPES = ['message', 'call_incoming', 'call_missed', 'patient_alert', 'appointment_reminder', 'note_shared', 'team_invite', 'system_alert',
  'prescription_ready', 'lab_results'];
let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

async function publish(people, notification = {}) {
  const answer = await clinic.rest('POST', '/api/v1/notifications', {
    type: 'system_alert', user_ids: people.map(({ id }) => id), title: 'Title', body: 'Body', ...notification,
  });
  assert.ok(answer.status >= 200 && answer.status < 300, `${answer.status} ${JSON.stringify(answer.body)}`);
}

const list = (person) => person.get('/notifications?limit=20');

test('who connects is told so', async () => {
  const person = await clinic.person('patient');
  const line = await person.open('/notifications');
  assert.deepEqual(await line.next('connected'), { message: 'Connected to notifications' });
});

test('without a token nobody\'s notifications are read, whatever userId says', async () => {
  const person = await clinic.person('patient');
  for (const auth of [undefined, { userId: person.id }, { userId: person.id, token: 'x' }]) {
    assert.equal((await clinic.line('/notifications', { auth }).refusal()).message, 'unauthorized');
  }
});

test('another\'s userId beside the own token opens nothing, and is audited', async () => {
  const [person, thief] = [await clinic.person('patient'), await clinic.person('patient')];
  const own = await person.open('/notifications');
  await clinic.audited(thief, async () => {
    const line = thief.dial('/notifications', { auth: { token: thief.token, userId: person.id } });
    await line.refusal();
    await publish([person], { title: 'For one' });
    await own.next('notification');
    assert.deepEqual(line.left('notification', 'connected'), []);
  });
  await person.open('/notifications', { auth: { token: person.token, userId: person.id } });
});

test('notification: exactly its payload, on all sockets of its owner, and on no other', async () => {
  const [person, other] = [await clinic.person('patient'), await clinic.person('patient')];
  const mine = [await person.open('/notifications'), await person.open('/notifications')];
  const theirs = await other.open('/notifications');
  for (const type of TYPES) {
    const more = type === 'message' ? {} : { data: { appointment: 17, nested: [true, null] }, action: '/appointments/17' };
    await publish([person], { type, title: `About ${type}`, body: 'See there', ...more });
    for (const line of mine) like(await line.next('notification'), { type, userId: person.id, title: `About ${type}`, body: 'See there', ...more, timestamp: time });
  }
  await publish([other]);
  await theirs.next('notification');
  assert.deepEqual(theirs.left('notification'), []);
});

test('one publishing for several people reaches each once, under one key once only', async () => {
  const people = [await clinic.person('patient'), await clinic.person('nurse')];
  const lines = [await people[0].open('/notifications'), await people[1].open('/notifications')];
  for (let i = 0; i < 3; i += 1) await publish(people, { title: 'Once', dedupe_key: 'reminder-1' });
  await publish(people, { title: 'Last' });
  for (const [i, line] of lines.entries()) {
    for (const title of ['Once', 'Last']) assert.equal((await line.next('notification')).title, title);
    assert.deepEqual(line.left('notification'), []);
    assert.deepEqual((await list(people[i])).map((row) => row.title), ['Last', 'Once']);
  }
});

test('notification:acknowledge of one\'s own; of another\'s it is refused and audited', async () => {
  const [person, thief] = [await clinic.person('patient'), await clinic.person('patient')];
  const [mine, theirs] = [await person.open('/notifications'), await thief.open('/notifications')];
  await publish([person]);
  await mine.next('notification');
  const [row] = await list(person);
  like(row, { id: text, userId: person.id, type: 'system_alert', title: 'Title', body: 'Body', data: null, isRead: false, readAt: null, action: null, createdAt: time });
  await clinic.audited(thief, () => theirs.isRefused('notification:acknowledge', { notificationId: row.id }, 'not_found', 'forbidden'));
  await theirs.isRefused('notification:acknowledge', { notificationId: 'none' }, 'not_found', 'invalid_argument');
  await mine.done('notification:acknowledge', { notificationId: row.id });
  assert.equal((await list(person))[0].isRead, false, 'it reached a device; it was not read');
  assert.equal((await thief.ask('PUT', `/notifications/${row.id}/read`)).status, 404);
  like(await person.put(`/notifications/${row.id}/read`), { message: text });
  assert.equal((await list(person))[0].isRead, true);
  assert.deepEqual(await person.get('/notifications/unread/count'), { count: 0 });
});

test('only systems of the clinic publish', async () => {
  for (const role of ['patient', 'doctor', 'admin']) {
    const person = await clinic.person(role);
    const answer = await person.ask('POST', '/api/v1/notifications', { type: 'system_alert', user_ids: [person.id], title: 't', body: 'b' });
    assert.equal(answer.status, 403, role);
  }
});
