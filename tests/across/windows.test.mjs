// Two windows of the web client, each at another node. The steps build on each other.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, Profile } from '../browser/browser.mjs';
import { until } from '../browser/until.mjs';
import { words } from '../clients/clinic.mjs';
import { findCluster } from './cluster.mjs';
import { SLOWLY_MS } from './patience.mjs';

const BURST = 8;
const shots = process.env.BEDSIDE_SHOTS ?? await mkdtemp(join(tmpdir(), 'bedside-shots-'));

let cluster;
let browser;
let doctor; // people
let patient;
let profiles;
let desk; // the doctor's window
let phone; // the patient's
let conversation;
const expected = [];

before(async () => {
  await mkdir(shots, { recursive: true });
  cluster = await findCluster();
  browser = await launch();
  [doctor, patient] = await cluster.clinics[0].pair();
  profiles = await Promise.all([0, 1].map((at) => Profile.open(browser, cluster.nodes[at].origin)));
  for (const { context } of profiles) context.setDefaultTimeout(SLOWLY_MS);
});

after(async () => {
  await browser?.close();
  await cluster?.close();
});

let broken = false;
function step(name, run) {
  test(name, async (context) => {
    if (broken) return context.skip('an earlier step failed');
    broken = true;
    try {
      await run();
    } catch (fault) {
      console.error(profiles.flatMap(({ faults }) => faults).join('\n'));
      await shoot('failed');
      throw fault;
    }
    broken = false;
  });
}

async function shoot(name) {
  for (const [who, window] of Object.entries({ doctor: desk, patient: phone })) await window?.page.screenshot({ path: join(shots, `across-${name}-${who}.png`) });
}

async function signIn(profile, person) {
  const window = await profile.page();
  await window.get('token').fill(person.token);
  await window.get('token-sign-in').click();
  await window.page.locator('[data-testid=connection][data-state=online]').waitFor({ state: 'attached' });
  return window;
}

const presence = (window, wanted) => window.page.locator(`[data-testid=presence][data-presence=${wanted}]`).waitFor();

/** Both windows and both their nodes tell the same story. */
async function assertAgree(texts) {
  for (const window of [desk, phone]) {
    await until(async () => {
      assert.deepEqual(await window.texts(), texts);
      return true;
    }, 'the window shows everything once', SLOWLY_MS);
    assert.deepEqual(await window.history(conversation), texts);
  }
}

step('a chat that begins on one node is there on the other, unread', async () => {
  desk = await signIn(profiles[0], doctor);
  phone = await signIn(profiles[1], patient);
  await desk.get('new-chat').click();
  await desk.get(`contact-${patient.id}`).click();
  expected.push(words('Good morning. How are you today?'));
  await desk.say(expected[0]);
  const row = phone.page.locator(`[data-testid^=conversation-][data-user="${doctor.id}"]`);
  await row.and(phone.page.locator('[data-unread="1"]')).waitFor();
  conversation = (await row.getAttribute('data-testid')).replace('conversation-', '');
  await desk.withStatus(expected[0], 'delivered');
  await row.click();
  await desk.withStatus(expected[0], 'read');
  await row.and(phone.page.locator('[data-unread="0"]')).waitFor();
});

step('typing is seen both ways, and ends with the message', async () => {
  for (const [from, to, text] of [[phone, desk, words('Much better.')], [desk, phone, words('I am glad.')]]) {
    await from.get('composer').pressSequentially('...');
    await to.get('typing').waitFor({ state: 'visible' });
    await shoot(from === phone ? 'typing' : 'answering');
    await from.say(text);
    expected.push(text);
    await to.message(text).waitFor();
    await to.get('typing').waitFor({ state: 'hidden' });
    await from.withStatus(text, 'read');
  }
  await assertAgree(expected);
});

step('both write at once, and see one order', async () => {
  const burst = (who) => Array.from({ length: BURST }, (_, i) => words(`${who} ${i + 1}`));
  const [mine, theirs] = [burst('doctor'), burst('patient')];
  await Promise.all([desk.say(...mine), phone.say(...theirs)]);
  await desk.withStatus(mine.at(-1), 'read');
  await phone.withStatus(theirs.at(-1), 'read');
  const log = await desk.history(conversation);
  assert.deepEqual([...log].sort(), [...expected, ...mine, ...theirs].sort());
  for (const texts of [mine, theirs]) assert.deepEqual(log.filter((text) => texts.includes(text)), texts, 'each in the order of writing');
  expected.splice(0, expected.length, ...log);
  await assertAgree(expected);
});

step('an edit, a deletion and an emoji are seen at the other node', async () => {
  const [tow, two, wrong] = [words('Take tow tablets'), words('Take two tablets'), words('Wrong window, sorry')];
  await desk.say(tow, wrong);
  await phone.message(wrong).waitFor();
  await desk.act(tow, 'edit');
  await desk.get('composer').fill(two);
  await desk.get('composer').press('Enter');
  await phone.message(two).getByTestId('edited').waitFor();
  await desk.act(wrong, 'delete');
  await desk.get('confirm-yes').click();
  await phone.page.locator('.message.deleted').waitFor();
  await phone.message(two).hover();
  await phone.message(two).getByTestId('actions').click();
  await phone.page.locator('[data-testid=emoji][data-emoji="🙏"]').click();
  await desk.message(two).getByTestId('reaction').waitFor();
  expected.push(two);
  await assertAgree(expected);
});

step('who goes is offline for the other, and online when they are back', async () => {
  await presence(desk, 'online');
  await presence(phone, 'online');
  await shoot('chat');
  await phone.page.close();
  await presence(desk, 'offline');
  const missed = words('Written while you were away');
  await desk.say(missed);
  expected.push(missed);
  phone = await signIn(profiles[1], patient);
  await presence(desk, 'online');
  await phone.get(`conversation-${conversation}`).click();
  await desk.withStatus(missed, 'read');
  await assertAgree(expected);
});

step('no console errors, no violations of the content security policy', () => {
  for (const { faults } of profiles) assert.deepEqual(faults, []);
});
