// Any node answers for all: tickets, REST, and what is sent again.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { until } from '../browser/until.mjs';
import { words } from '../clients/clinic.mjs';
import { findCluster } from './cluster.mjs';
import { texts } from './log.mjs';
import { Device } from './patience.mjs';

let cluster;

before(async () => {
  cluster = await findCluster();
});
after(() => cluster?.close());

/** A doctor and a patient who have a conversation, and each of them at every node. */
async function meeting() {
  const [doctor, patient] = await cluster.clinics[0].pair();
  const { conversation: { conversation_id: id } } = await doctor.post('/api/v1/conversations', { kind: 'direct', member_ids: [patient.id] });
  const everywhere = (person) => cluster.clinics.map((clinic) => person.at(clinic));
  return { doctors: everywhere(doctor), patients: everywhere(patient), id, path: `/api/v1/conversations/${id}` };
}

/** Over REST, and under an id, as clients should. */
const send = (person, path, text = words()) => person.post(`${path}/messages`, { text, client_msg_id: text });

/** What each node says to the same question, and that it is the same. */
async function agreed(people, path) {
  const answers = await Promise.all(people.map((person) => person.get(path)));
  for (const answer of answers) assert.deepEqual(answer, answers[0], `one answer everywhere: ${path}`);
  return answers[0];
}

test('a ticket of one node opens one socket on another', async () => {
  const { patients, doctors } = await meeting();
  for (const [at, patient] of patients.entries()) {
    const [second, third] = [1, 2].map((on) => cluster.nodes[(at + on) % 3].origin);
    const { ticket } = await patient.post('/api/v1/tickets');
    const native = await Device.redeem(second, ticket);
    assert.equal((await native.command('conversation.create', { kind: 'direct', member_ids: [doctors[0].id] })).created, false);
    for (const { origin } of cluster.nodes) await assert.rejects(Device.redeem(origin, ticket), /401/, 'it is good once');
    native.close();

    const { ticket: another } = await patient.post('/api/v1/tickets');
    const tries = await Promise.allSettled([second, third, patient.clinic.origin].map((origin) => Device.redeem(origin, another)));
    const opened = tries.filter(({ status }) => status === 'fulfilled');
    assert.equal(opened.length, 1, `once, with all at the same time: ${tries.map(({ reason }) => reason?.message)}`);
    opened[0].value.close();
  }
});

test('what is acknowledged on one node is what every node says', async () => {
  const { doctors, patients, id, path } = await meeting();
  const said = [];
  for (let i = 0; i < 9; i += 1) {
    const text = words();
    said.push(text);
    const { seq } = await send(doctors[i % 3], path, text);
    const { events, head_seq } = await agreed([...doctors, ...patients], `${path}/messages`);
    assert.equal(head_seq, seq);
    assert.deepEqual(texts(events), said);
    assert.deepEqual(await agreed(patients, '/api/v1/unread'), { unread_count: i + 1, conversations: [{ conversation_id: id, unread_count: i + 1 }] });
    assert.equal((await agreed(patients, '/api/v1/conversations')).conversations[0].last_message.text, text);
    assert.equal((await agreed(patients, path)).me.unread_count, i + 1);
  }
});

test('receipts are what every node says', async () => {
  const { doctors, patients, path } = await meeting();
  for (let i = 0; i < 6; i += 1) {
    const { seq } = await send(doctors[i % 3], path);
    const reader = patients[(i + 1) % 3];
    await reader.put(`${path}/receipts/delivered`, { up_to_seq: seq });
    assert.deepEqual(await agreed(doctors, `${path}/messages/${seq}/receipts`), { seq, read_by: [], delivered_to: [{ user_id: reader.id }] });
    assert.deepEqual(await reader.put(`${path}/receipts/read`, { up_to_seq: seq }), { up_to_seq: seq, unread_count: 0 });
    assert.deepEqual(await agreed(doctors, `${path}/messages/${seq}/receipts`), { seq, read_by: [{ user_id: reader.id }], delivered_to: [{ user_id: reader.id }] });
    const { receipts } = await agreed([...doctors, ...patients], `${path}/receipts`);
    assert.deepEqual(receipts.find(({ user_id }) => user_id === reader.id), { user_id: reader.id, delivered_up_to_seq: seq, read_up_to_seq: seq });
    assert.deepEqual(await agreed(patients, '/api/v1/unread'), { unread_count: 0, conversations: [] });
  }
});

test('edits, deletions and reactions are what every node says', async () => {
  const { doctors, patients, path } = await meeting();
  const [first, second, mended] = [words(), words(), words('mended')];
  const { seq } = await send(doctors[0], path, first);
  const other = await send(doctors[1], path, second);
  assert.equal((await doctors[1].ask('PATCH', `${path}/messages/${seq}`, { text: mended })).status, 200);
  assert.equal((await agreed([...doctors, ...patients], `${path}/messages/${seq}`)).text, mended);
  await patients[2].put(`${path}/messages/${seq}/reactions/${encodeURIComponent('👍')}`);
  const { reactions } = await agreed(doctors, `${path}/messages/${seq}`);
  assert.equal(reactions.length, 1);
  assert.equal((await doctors[2].ask('DELETE', `${path}/messages/${other.seq}`)).status, 200);
  const { deleted_at, text } = await agreed([...doctors, ...patients], `${path}/messages/${other.seq}`);
  assert.ok(deleted_at);
  assert.ok(!text);
});

test('presence is what every node says', async () => {
  const { doctors, patients } = await meeting();
  const [doctor] = doctors;
  const asked = `/api/v1/presence?user_ids=${doctor.id}`;
  assert.equal((await agreed(patients, asked)).presence[0].online, false);
  for (const [at, status] of ['busy', 'away', 'available'].entries()) {
    const native = await Device.open(doctors[at]);
    await native.command('presence.set', { status });
    // Told to the others, and not waited for.
    const wanted = { presence: [{ user_id: doctor.id, online: true, status }] };
    const said = () => Promise.all(patients.map((patient) => patient.get(asked)));
    await until(async () => (await said()).every((one) => isDeepStrictEqual(one, wanted)), `every node says ${status}`);
    native.close();
  }
});

test('a message that is sent again through another node is the same message', async () => {
  const { doctors, path, id } = await meeting();
  const natives = await Promise.all(doctors.map((doctor) => Device.open(doctor)));
  for (const [at, native] of natives.entries()) {
    const message = { conversation_id: id, text: words(), client_msg_id: `tap-${at}` };
    const { duplicate, ...first } = await native.command('message.send', message);
    assert.ok(!duplicate || native.again > 0);
    for (const other of natives) assert.deepEqual(await other.command('message.send', message), { ...first, duplicate: true });
    for (const doctor of doctors) assert.deepEqual(await doctor.post(`${path}/messages`, { text: message.text, client_msg_id: message.client_msg_id }), { ...first, duplicate: true });
    for (const other of natives) await assert.rejects(other.command('message.send', { ...message, text: words('another') }), /conflict/);
  }
  natives.forEach((native) => native.close());
});

test('a message that is sent through all nodes at once is one message', async () => {
  const { doctors, patients, path, id } = await meeting();
  const natives = await Promise.all(doctors.map((doctor) => Device.open(doctor)));
  const said = [];
  for (let i = 0; i < 10; i += 1) {
    const message = { conversation_id: id, text: words(), client_msg_id: `at-once-${i}` };
    said.push(message.text);
    const answers = await Promise.all(natives.map((native) => native.command('message.send', message)));
    const news = answers.filter(({ duplicate }) => !duplicate).length;
    assert.ok(news === 1 || (news === 0 && natives.some(({ again }) => again > 0)), `${news} of them are new`);
    assert.equal(new Set(answers.map(({ seq, message_id }) => `${seq} ${message_id}`)).size, 1);
  }
  assert.deepEqual(texts((await agreed(patients, `${path}/messages`)).events), said);
  natives.forEach((native) => native.close());
});
