// Socket.IO clients as they are, behind a balancer that sends each connection to another node.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { words } from '../clients/clinic.mjs';
import { Gap } from '../clients/gap.mjs';
import { TRANSPORTS } from '../clients/line.mjs';
import { findCluster } from './cluster.mjs';
import { done, SLOWLY_MS } from './patience.mjs';

const ROUNDS = 4;
let cluster;
const gaps = [];

before(async () => {
  cluster = await findCluster();
});
after(async () => {
  for (const gap of gaps) gap.close();
  await cluster?.close();
});

/** Like a browser with many connections, of which each request takes another one. */
const agent = new Agent({ keepAlive: false });

/** Two people behind the balancer; the wire of one of them can be cut. */
async function call(options) {
  const [doctor, patient] = await cluster.balanced.pair();
  const gap = await Gap.open(cluster.balancer.origin);
  gaps.push(gap);
  const far = await patient.dial('/', { agent, ...options }, gap.origin).connected();
  const near = await doctor.open('/', { agent, ...options });
  const again = new Set(); // what had to be sent again
  const from = (line, to) => async (content = words()) => {
    const isAgain = await done(line, 'send_message', { receiverId: to.id, content, messageType: 'text', clientMsgId: content });
    if (isAgain) again.add(content);
    return content;
  };
  return { doctor, patient, gap, far, near, again, sayFar: from(far, doctor), sayNear: from(near, patient) };
}

/** How many requests of Engine.IO each node has answered. */
const answered = () => Promise.all(cluster.nodes.map((node) => node.counted('http_requests_total', 'socket.io')));

const came = (line, content) => line.next('new_message', ({ message }) => message.content === content);

for (const [name, options] of TRANSPORTS) {
  test(`connects, sends, receives and reconnects through the balancer: ${name}`, async () => {
    const { doctor, patient, gap, far, near, sayFar, sayNear } = await call(options);
    const said = [];
    const talk = async () => {
      for (let i = 0; i < ROUNDS; i += 1) {
        said.push(await sayFar());
        await came(near, said.at(-1));
        said.push(await sayNear());
        await came(far, said.at(-1));
      }
    };
    await talk();
    if (!options.transports) {
      for (const line of [far, near]) await until(() => line.socket.io.engine.transport.name === 'websocket', 'it is upgraded', SLOWLY_MS);
    }
    await done(far, 'typing_start', { receiverId: doctor.id });
    assert.deepEqual(await near.next('typing_start'), { userId: patient.id });

    const before = far.socket.id;
    gap.cut();
    await until(() => far.socket.disconnected, 'the client knows that its connection is gone', SLOWLY_MS);
    gap.mend();
    await until(() => far.socket.connected, 'the client is connected again', SLOWLY_MS);
    assert.notEqual(far.socket.id, before);
    await talk();
    assert.deepEqual(await patient.textsWith(doctor, '?limit=100'), said);
    for (const line of [far, near]) {
      assert.deepEqual(line.left('new_message', 'error'), [], 'once each');
      assert.deepEqual(line.left('message_sent').map(({ args: [{ message }] }) => message.content), said.filter((_, i) => i % 2 === (line === far ? 0 : 1)));
      line.close();
    }
  });
}

test('polls of one session are answered by every node', async () => {
  const before = await answered();
  const { far, near, sayFar, sayNear } = await call({ transports: ['polling'] });
  for (let i = 0; i < 2 * ROUNDS; i += 1) {
    await came(near, await sayFar());
    await came(far, await sayNear());
  }
  const counts = (await answered()).map((count, i) => count - before[i]);
  assert.ok(counts.every((count) => count >= ROUNDS), `each node had its share: ${counts}`);
  for (const line of [far, near]) line.close();
});

test('many polling clients at once, in one order', async () => {
  const pairs = await Promise.all(Array.from({ length: 5 }, () => call({ transports: ['polling'] })));
  await Promise.all(pairs.map(async ({ doctor, patient, far, near, again, sayFar, sayNear }) => {
    const said = (await Promise.all(Array.from({ length: 6 }, () => Promise.all([sayFar(), sayNear()])))).flat();
    const log = await patient.textsWith(doctor, '?limit=100');
    assert.deepEqual([...log].sort(), [...said].sort());
    for (const line of [far, near]) {
      // Who sends again what was stored is told again.
      const told = new Set();
      const isNews = ({ event, args: [{ message }] }) => event === 'new_message' || !again.has(message.content) || (!told.has(message.content) && told.add(message.content));
      const seen = () => {
        told.clear();
        return line.left('new_message', 'message_sent').filter(isNews).map(({ args: [{ message }] }) => message.content);
      };
      await until(() => seen().length >= log.length, 'everything came', SLOWLY_MS);
      assert.deepEqual(seen(), log);
      line.close();
    }
  }));
});
