// Seed 004's React hook against the server, on each way in that its front ends use.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import io from 'socket.io-client';
import { until } from '../browser/until.mjs';
import { Clinic, message004, words } from './clinic.mjs';
import { Component } from './hook.mjs';
import { TRANSPORTS } from './line.mjs';
import { like } from './shape.mjs';

let clinic;
const mounted = [];

before(async () => {
  clinic = await Clinic.open();
});
after(async () => {
  for (const component of mounted) component.unmount();
  await clinic?.close();
});

async function mount(person, options) {
  const component = new Component(io, clinic.origin, options).render(person.token);
  mounted.push(component);
  await until(() => component.shown.socket.connected, `the hook of ${person.id} is connected`);
  return component;
}

for (const [name, options] of TRANSPORTS) {
  test(`messages go both ways, in order, once each: ${name}`, async () => {
    const [doctor, patient] = await clinic.pair();
    const [theirs, mine] = [await mount(doctor, options), await mount(patient, options)];
    const questions = Array.from({ length: 20 }, (_, i) => words(`question ${i}`));
    for (const content of questions) mine.shown.sendMessage(doctor.id, content);
    const answer = words('answer');
    await until(() => theirs.shown.messages.length >= questions.length, 'the doctor has all questions');
    theirs.shown.sendMessage(patient.id, answer);
    await until(() => mine.shown.messages.length > 0, 'the patient has the answer');

    assert.equal(theirs.shown.messages.length, questions.length);
    theirs.shown.messages.forEach((message, i) => like(message, message004(patient, doctor, questions[i])));
    like(mine.shown.messages, [message004(doctor, patient, answer)]);
    assert.deepEqual(await patient.textsWith(doctor), [...questions, answer]);
  });

  test(`typing shows, and stops a second after the last key: ${name}`, async () => {
    const [doctor, patient] = await clinic.pair();
    const [theirs, mine] = [await mount(doctor, options), await mount(patient, options)];
    mine.handleTyping(doctor.id);
    await until(() => theirs.shown.isTyping, 'the doctor sees typing');
    await until(() => !theirs.shown.isTyping, 'the doctor sees that it stopped', 4_000);
    assert.equal(mine.shown.isTyping, false, 'not back to the typist');
  });
}

test('on default transports the connection becomes a websocket', async () => {
  const [doctor] = await clinic.pair();
  const component = await mount(doctor, {});
  await until(() => component.shown.socket.io.engine.transport.name === 'websocket', 'it is upgraded');
});

test('a new token opens a new connection and closes the old one', async () => {
  const [doctor, patient] = await clinic.pair();
  const [theirs, mine] = [await mount(doctor, {}), await mount(patient, {})];
  const old = mine.shown.socket;
  mine.render(patient.tokenWith({ jti: 'another' }));
  await until(() => mine.shown.socket !== old && mine.shown.socket.connected, 'the new one is connected');
  assert.ok(old.disconnected);
  const content = words();
  theirs.shown.sendMessage(patient.id, content);
  await until(() => mine.shown.messages.length > 0, 'the message is there');
  assert.deepEqual(mine.shown.messages.map((message) => message.content), [content]);
});

test('nobody is signed in without a token', async () => {
  const component = new Component(io, clinic.origin).render(undefined);
  assert.equal(component.shown.socket, null);
  assert.doesNotThrow(() => component.shown.sendMessage('d1', words()));
});
