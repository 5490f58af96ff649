// A server with a real secret: sign-in by token, rights that end, tokens that run out.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { launch, Profile } from './browser.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

let server;
let browser;

before(async () => {
  server = await startServer({ secret: randomBytes(48).toString('base64url') });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signIn(...options) {
  const profile = await Profile.open(browser, server.origin);
  const window = await profile.page();
  await window.get('token').fill(await server.token(...options));
  await window.get('token-sign-in').click();
  await window.online();
  return Object.assign(window, { profile });
}

async function relate(method, query, body) {
  const service = await server.token('--sub', 'clinic', '--role', 'service', '--scope', 'directory:write');
  const answer = await fetch(`${server.origin}/api/v1/relations${query}`, {
    method, headers: { Authorization: `Bearer ${service}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} relations: ${answer.status} ${await answer.text()}`);
}

test('a conversation whose relation ended can be read and not written', async () => {
  await relate('PUT', '', { patient_id: 'p1', user_id: 'd1', kind: 'clinician' });
  const patient = await signIn('--sub', 'p1', '--role', 'patient', '--name', 'Nour Saleh');
  const doctor = await signIn('--sub', 'd1', '--role', 'doctor', '--name', 'Dr. Maya Stein');
  await doctor.get('new-chat').click();
  await doctor.get('contact-p1').click();
  await doctor.say('You are well again. Goodbye!');
  await patient.page.locator('[data-user=d1]').click();
  await patient.message('You are well again. Goodbye!').waitFor();
  await relate('DELETE', '?patient_id=p1&user_id=d1');
  for (const window of [doctor, patient]) {
    await window.get('read-only').waitFor();
    assert.ok(await window.get('composer').isDisabled());
    await window.message('You are well again. Goodbye!').waitFor();
  }
  await doctor.page.reload(); // a pasted token is kept in this tab
  await doctor.online();
  await doctor.get('read-only').waitFor();
  for (const { profile } of [doctor, patient]) assert.deepEqual(profile.faults, []);
});

test('a token that runs out signs out', async () => {
  const window = await signIn('--sub', 'p2', '--role', 'patient', '--expires', '3s');
  await window.get('token').waitFor(); // back at the sign-in, by itself
  assert.equal(await window.page.evaluate(() => sessionStorage.length), 0);
});

test('a token that cannot be trusted does not get in', async () => {
  const window = await (await Profile.open(browser, server.origin)).page();
  await window.get('token').fill('not.a.token');
  await window.get('token-sign-in').click();
  await until(async () => (await window.get('token').inputValue()) === '', 'the sign-in is there again');
  assert.ok(await window.get('token').isVisible());
});
