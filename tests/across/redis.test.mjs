// Redis is killed for some seconds. The long version of this is scripts/long/faults.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { words } from '../clients/clinic.mjs';
import { findCluster } from './cluster.mjs';
import { assertAscending, known, shown, stored, texts } from './log.mjs';
import { Device, SLOWLY_MS } from './patience.mjs';

const DOWN_MS = 5_000;
const EVERY_MS = 200;
let cluster;

before(async () => {
  cluster = await findCluster();
});
after(() => cluster?.close());

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** Says something every now and then, until told to stop; each is stored before the next. */
function talking(side, id) {
  let on = true;
  const over = (async () => {
    for (; on; await sleep(EVERY_MS)) {
      const text = words();
      const { seq } = await side.native.say(id, text);
      side.replies.push({ type: 'message.created', seq, data: { text } });
    }
  })();
  // Heard of in any case, where this fails it is told by whoever waits for it.
  over.catch(() => {});
  return () => {
    on = false;
    return over;
  };
}

test('without Redis both sides go on, and everything arrives in one order', async (context) => {
  const [doctor, person] = await cluster.clinics[0].pair();
  const patient = person.at(cluster.clinics[1]);
  const sides = [];
  for (const one of [doctor, patient]) sides.push({ person: one, native: await Device.open(one), replies: [] });
  const { conversation: { conversation_id: id } } = await sides[0].native.command('conversation.create', { kind: 'direct', member_ids: [patient.id] });
  for (const { native } of sides) await native.command('conversation.subscribe', { conversation_id: id });

  const stops = sides.map((side) => talking(side, id));
  context.after(() => Promise.allSettled(stops.map((stop) => stop())));
  const counts = () => sides.map(({ replies }) => replies.length);
  await until(() => counts().every((count) => count >= 3), 'both talk', SLOWLY_MS);
  await cluster.redis.kill();
  const atFirst = counts();
  await sleep(DOWN_MS); // how long it is down is what is tested here
  await until(() => counts().every((count, i) => count >= atFirst[i] + 3), 'both still talk', SLOWLY_MS);
  for (const [i, side] of sides.entries()) {
    const { seq } = sides[1 - i].replies.at(-1);
    await until(() => shown(side.native, id).some((entry) => entry.seq >= seq), 'and hear each other', SLOWLY_MS);
  }
  await cluster.redis.start();
  const afterwards = counts();
  await until(() => counts().every((count, i) => count >= afterwards[i] + 5), 'both talk on', SLOWLY_MS);
  for (const stop of stops) await stop();

  const log = texts(await stored(doctor, id));
  for (const { native, replies } of sides) {
    const seen = () => texts(known(native, id, replies));
    await until(() => seen().length >= log.length, 'everything arrived', SLOWLY_MS);
    assert.deepEqual(seen(), log, 'in one order');
    assertAscending(shown(native, id));
  }
  assert.deepEqual([...log].sort(), sides.flatMap(({ replies }) => texts(replies)).sort(), 'what was acknowledged, once each');

  for (const { native } of sides) native.heard = native.heard.filter(({ type }) => type !== 'typing.changed');
  // Not in the log, so these come only over the bridge, and only when each node knows of the other.
  for (const [one, other] of [sides, [...sides].reverse()]) {
    const isTyping = ({ type, data }) => type === 'typing.changed' && data.user_id === one.person.id;
    await until(async () => {
      for (const typing of [true, false]) await one.native.command('typing.set', { conversation_id: id, typing });
      return other.native.heard.some(isTyping);
    }, 'the bridge carries again', SLOWLY_MS);
    await until(async () => {
      const { presence: [{ online }] } = await other.person.get(`/api/v1/presence?user_ids=${one.person.id}`);
      return online;
    }, 'presence is whole again', SLOWLY_MS);
    const text = words('afterwards');
    await one.native.say(id, text);
    await other.native.next('message.created', ({ data }) => data.text === text);
  }
  for (const { native } of sides) native.close();
});
