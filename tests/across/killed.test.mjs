// A node that is killed: its clients go on elsewhere, and miss nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { words } from '../clients/clinic.mjs';
import { within } from '../clients/line.mjs';
import { findCluster } from './cluster.mjs';
import { shown, stored, texts } from './log.mjs';
import { Device, SLOWLY_MS } from './patience.mjs';

/** So many that the killed node has written some of their conversations, and others some. */
const PATIENTS = 6;
let cluster;

before(async () => {
  cluster = await findCluster();
});
after(() => cluster?.close());

/** A doctor at one node, and patients of theirs who all are at another. */
async function ward(doctorAt, patientsAt) {
  const doctor = await doctorAt.person('doctor');
  const native = await Device.open(doctor);
  const beds = [];
  for (let i = 0; i < PATIENTS; i += 1) {
    const patient = (await doctorAt.person('patient')).at(patientsAt);
    await doctorAt.relate(patient, doctor);
    const { conversation: { conversation_id: id } } = await native.command('conversation.create', { kind: 'direct', member_ids: [patient.id] });
    beds.push({ patient, id, native: await Device.open(patient), said: [] });
  }
  /** Says one thing to everybody, and returns when all of it is stored. */
  const round = (about) => Promise.all(beds.map(async (bed) => {
    const text = words(about);
    const { seq } = await native.say(bed.id, text);
    bed.said.push({ seq, text });
  }));
  return { doctor, native, beds, round };
}

/** What came live, and after a reconnect. */
const heard = ({ id, native, before = [] }) => [...before, ...shown(native, id)];

async function isWhole(bed) {
  const last = bed.said.at(-1);
  await until(() => heard(bed).some(({ seq }) => seq >= last.seq), 'the last one came', SLOWLY_MS);
  const seqs = heard(bed).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i), 'nothing is missing, nothing came twice');
  assert.deepEqual(texts(heard(bed)), bed.said.map(({ text }) => text));
  assert.deepEqual(texts(await stored(bed.patient, bed.id)), bed.said.map(({ text }) => text), 'and so says the log');
}

/** Goes to this node with what it has so far. */
async function reconnect(bed, clinic) {
  bed.before = heard(bed);
  bed.patient = bed.patient.at(clinic);
  bed.native = await Device.open(bed.patient);
  const { watermarks, gone } = await bed.native.command('sync.resume', { positions: { [bed.id]: bed.before.at(-1).seq } });
  assert.deepEqual([watermarks.length, gone], [1, []]);
  assert.deepEqual(bed.native.heard.filter(({ type }) => type === 'sync.reset'), []);
}

test('kill -9: clients resume on another node by seq, and later on the same one again', async () => {
  const [first, second, third] = cluster.clinics;
  const [victim] = cluster.nodes;
  const { native, beds, round } = await ward(second, first);
  for (let i = 0; i < 3; i += 1) await round('before');
  for (const bed of beds) await isWhole(bed);

  const underway = round('on its way');
  await victim.kill();
  await Promise.all(beds.map((bed) => within(bed.native.closed, () => 'the end of the connection')));
  await round('while the node was down');
  await underway;
  await round('still down');
  for (const bed of beds) bed.said.sort((a, b) => a.seq - b.seq);
  for (const bed of beds) await reconnect(bed, third);
  await round('on another node');
  for (const bed of beds) await isWhole(bed);

  await victim.start();
  await victim.ready();
  for (const bed of beds) {
    bed.native.close();
    await within(bed.native.closed, () => 'the end of the connection');
  }
  await round('while nobody was there');
  for (const bed of beds) await reconnect(bed, first);
  await round('on the first node again');
  for (const bed of beds) await isWhole(bed);
  for (const bed of beds) {
    const text = words('and back');
    bed.said.push({ text, seq: (await bed.native.say(bed.id, text)).seq });
    const { seq } = await native.next('message.created', ({ data }) => data.text === text);
    assert.equal(seq, bed.said.at(-1).seq);
    bed.native.close();
  }
  native.close();
});

test('kill -9 between a message and its answer: sent again elsewhere it is there once', async () => {
  const [first, second] = cluster.clinics;
  const victim = cluster.nodes[1];
  const { doctor, native, beds } = await ward(second, first);
  const written = beds.map(({ id }) => ({ conversation_id: id, text: words(), client_msg_id: 'the only one' }));
  // Nobody waits for these answers; some come, some do not.
  for (const message of written) native.socket.send(JSON.stringify({ type: 'message.send', data: message }));
  await victim.kill();
  const again = await Device.open(doctor.at(first));
  for (const [i, message] of written.entries()) {
    const { seq } = await again.command('message.send', message);
    const bed = beds[i];
    bed.said.push({ seq, text: message.text });
    await isWhole(bed);
    bed.native.close();
  }
  again.close();
  await victim.start();
  await victim.ready();
});
