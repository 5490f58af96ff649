// A server that is stopped, as for an upgrade, while clients of seed 004 send, and started again.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../browser/until.mjs';
import { Clinic, words } from './clinic.mjs';
import { TRANSPORTS, within } from './line.mjs';

/** As many as one page has. */
const SENDS = 100;
let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

for (const [name, options] of TRANSPORTS) {
  test(`what was stored was acknowledged, and clients come back by themselves: ${name}`, async (context) => {
    const [doctor, patient] = await clinic.pair();
    const [sends, hears] = [await doctor.open('/', options), await patient.open('/', options)];
    const ends = [sends, hears].map(({ socket }) => new Promise((end) => socket.once('disconnect', end)));
    const send = (content) => sends.ask('send_message', { receiverId: patient.id, content, messageType: 'text', clientMsgId: content });

    const texts = Array.from({ length: SENDS }, () => words());
    const [acknowledged, refused] = [[], []];
    // With the first answer the others are on their way.
    await within(new Promise((first) => {
      for (const text of texts) {
        sends.socket.emit('send_message', { receiverId: patient.id, content: text, messageType: 'text', clientMsgId: text }, ({ ok, error }) => {
          (ok ? acknowledged : refused).push(text);
          if (!ok) assert.equal(error.code, 'unavailable');
          first();
        });
      }
    }), () => 'the first answer');
    assert.equal(await within(clinic.server.terminate(), () => 'the end of the server'), 0);
    for (const end of ends) assert.match(await within(end, () => 'the end of the connection'), /^transport/, 'no reason to stay away');

    await clinic.server.start();
    for (const { socket } of [sends, hears]) await until(() => socket.connected, 'the client is connected again');
    const stored = await patient.textsWith(doctor, '?limit=100');
    context.diagnostic(`of ${SENDS} ${stored.length} were stored, ${acknowledged.length} acknowledged, ${refused.length} refused`);
    assert.deepEqual([...stored].sort(), [...acknowledged].sort());

    for (const text of texts) {
      const ack = await send(text);
      assert.equal(ack.ok, true, JSON.stringify(ack));
    }
    const all = await patient.textsWith(doctor, '?limit=100');
    assert.deepEqual([...all].sort(), [...texts].sort(), 'once each');
    for (const line of [sends, hears]) line.close();
  });
}
