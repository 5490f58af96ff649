// The whole thing: real server, real browser, two people. The steps build on each other.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, Profile } from './browser.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const STALE_MS = 20 * 60_000;
const shots = process.env.BEDSIDE_SHOTS ?? await mkdtemp(join(tmpdir(), 'bedside-shots-'));
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server;
let browser;
let homes; // the two profiles
let doctor; // their windows
let patient;
let doctorId;
let patientId;
let doctorName;
let conversation;
/** What the conversation must say in the end, in the order of the log. */
let expected = [];

/** A step that stands on those before it, and is not tried where one of them failed. */
let broken = false;
function step(name, run) {
  test(name, async (context) => {
    if (broken) {
      context.skip('an earlier step failed');
      return;
    }
    broken = true;
    try {
      await run();
    } catch (fault) {
      // What the browser and the server said is what one wants to know then.
      console.error(homes?.flatMap((home) => home.faults).join('\n'), `\n${server?.log().slice(-4_000)}`);
      for (const [i, window] of [doctor, patient].entries()) await window?.page.screenshot({ path: join(shots, `failed-${i}.png`) });
      console.error(`screenshots are in ${shots}`);
      throw fault;
    }
    broken = false;
  });
}

before(async () => {
  await mkdir(shots, { recursive: true });
  server = await startServer();
  browser = await launch();
  const { enabled, users } = await (await fetch(`${server.origin}/demo`)).json();
  assert.ok(enabled, 'demo mode without JWT_SECRET');
  const as = (role) => users.find((user) => user.roles.includes(role));
  doctorId = as('doctor').user_id;
  doctorName = as('doctor').name;
  patientId = as('patient').user_id;
  homes = [await Profile.open(browser, server.origin), await Profile.open(browser, server.origin)];
  doctor = await homes[0].page();
  patient = await homes[1].page();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function outage() {
  for (const home of homes) home.outage = true;
  await server.kill();
  await Promise.all([doctor.lost(), patient.lost()]);
}

async function recovery() {
  await server.start();
  for (const home of homes) home.outage = false;
  await Promise.all([doctor.online(), patient.online()]); // by themselves
}

/** Both windows and the server tell the same story. */
async function assertAgree() {
  for (const window of [doctor, patient]) {
    await until(async () => {
      assert.deepEqual(await window.texts(), expected);
      return true;
    }, 'the window shows everything once');
  }
  assert.deepEqual(await doctor.history(conversation), expected);
}

async function assertAccessible(window, what) {
  await window.page.evaluate(`${axe}; undefined`);
  const found = await window.page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
      .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`);
  });
  assert.deepEqual(found, [], what);
}

step('signs in as a demo user', async () => {
  await assertAccessible(doctor, 'sign-in');
  await doctor.signIn(doctorId);
  await patient.signIn(patientId);
});

step('starts a chat from the contacts', async () => {
  await doctor.get('new-chat').click();
  await doctor.get(`contact-${patientId}`).waitFor();
  await assertAccessible(doctor, 'contacts');
  await doctor.get(`contact-${patientId}`).click();
  await doctor.say('Good morning. How are you today?');
  expected.push('Good morning. How are you today?');
});

step('what is unread is counted, and delivered but not read', async () => {
  const row = patient.page.locator(`[data-testid^=conversation-][data-user="${doctorId}"][data-unread="1"]`);
  await row.waitFor();
  conversation = (await row.getAttribute('data-testid')).replace('conversation-', '');
  await doctor.withStatus(expected[0], 'delivered');
  await row.click();
  await doctor.withStatus(expected[0], 'read');
  await patient.page.locator(`[data-testid^=conversation-][data-user="${doctorId}"][data-unread="0"]`).waitFor();
});

step('typing is seen, and ends with the message', async () => {
  await patient.get('composer').pressSequentially('Much bet');
  await doctor.get('typing').waitFor({ state: 'visible' });
  await patient.get('composer').pressSequentially('ter, thank you.');
  await patient.get('composer').press('Enter');
  expected.push('Much better, thank you.');
  await doctor.message('Much better, thank you.').waitFor();
  await doctor.get('typing').waitFor({ state: 'hidden' });
});

step('Arabic is written from right to left, whatever the page speaks', async () => {
  const text = 'شكرًا دكتور، هل آخذ 5 mg اليوم؟';
  await patient.say(text);
  expected.push(text);
  await doctor.message(text).waitFor();
  const direction = await doctor.message(text).getByTestId('text').evaluate((node) => getComputedStyle(node).direction);
  assert.equal(direction, 'rtl');
  await patient.withStatus(text, 'read');
});

step('answers, several lines, markup as text', async () => {
  await patient.message(expected[0]).hover();
  await patient.act(expected[0], 'reply');
  await patient.get('composer').fill('line one');
  await patient.get('composer').press('Shift+Enter');
  await patient.get('composer').pressSequentially('<b>line two</b> & more');
  await patient.get('composer').press('Enter');
  expected.push('line one\n<b>line two</b> & more');
  await until(async () => (await doctor.texts()).at(-1) === expected.at(-1), 'the lines arrive');
  await doctor.page.locator('.message').last().locator('.quote').waitFor();
});

step('an own message is edited and deleted, for both', async () => {
  await doctor.say('Take tow tablets', 'Wrong window, sorry');
  await patient.message('Wrong window, sorry').waitFor();
  await doctor.act('Take tow tablets', 'edit');
  await doctor.get('composer').fill('Take two tablets');
  await doctor.get('composer').press('Enter');
  await patient.message('Take two tablets').getByTestId('edited').waitFor();
  await doctor.message('Take two tablets').getByTestId('edited').waitFor();
  await doctor.act('Wrong window, sorry', 'delete');
  await doctor.get('confirm-yes').click();
  for (const window of [doctor, patient]) {
    await window.message('Wrong window, sorry').waitFor({ state: 'detached' });
    await window.page.locator('.message.deleted').waitFor();
  }
  expected.push('Take two tablets');
  await assertAgree();
});

step('an emoji is put on a message and taken off', async () => {
  const said = (window) => window.message('Take two tablets').getByTestId('reaction');
  await patient.message('Take two tablets').hover();
  await patient.message('Take two tablets').getByTestId('actions').click();
  await assertAccessible(patient, 'message menu');
  await patient.page.locator('[data-testid=emoji][data-emoji="🙏"]').click();
  await said(doctor).waitFor();
  await said(doctor).click(); // the doctor joins in
  await said(patient).filter({ hasText: '2' }).waitFor();
  await said(patient).click();
  await said(patient).and(patient.page.locator('[aria-pressed=false]')).waitFor();
  await said(doctor).click();
  await said(patient).waitFor({ state: 'detached' });
});

step('another tab of the same browser can be another person', async () => {
  await doctor.page.locator('[data-testid=presence][data-presence=online]').waitFor();
  const third = await homes[0].page();
  await third.signIn(patientId); // the same browser, another tab, another person
  assert.equal(await third.page.evaluate(() => JSON.parse(sessionStorage['bedside.session']).user.user_id), patientId);
  assert.equal(await doctor.page.evaluate(() => JSON.parse(sessionStorage['bedside.session']).user.user_id), doctorId);
  await third.get('signout').click();
  await third.get(`demo-user-${patientId}`).waitFor();
  // Only the one who signed out was wiped.
  const prefixes = await third.page.evaluate(() => [...new Set(Object.keys(localStorage).filter((k) => k.startsWith('bedside:')).map((k) => k.split(':')[1]))]);
  assert.deepEqual(prefixes, [encodeURIComponent(doctorId)]);
  await third.page.close();
});

step('kill -9: written meanwhile, reloaded meanwhile, nothing lost, nothing twice', async () => {
  await outage();
  await doctor.say('Written while the server was down', 'and one more');
  await doctor.withStatus('and one more', 'pending');
  await patient.say('كتبتُ هذا دون اتصال');
  await patient.page.reload();
  await patient.lost();
  await patient.withStatus('كتبتُ هذا دون اتصال', 'pending'); // and all the rest, from the cache
  assert.deepEqual(await patient.texts(), [...expected, 'كتبتُ هذا دون اتصال']);
  await recovery();
  for (const text of ['Written while the server was down', 'and one more', 'كتبتُ هذا دون اتصال']) {
    await doctor.message(text).waitFor();
    await patient.message(text).waitFor();
  }
  const log = await doctor.history(conversation);
  assert.deepEqual(log.slice(0, expected.length), expected, 'what was there is still there');
  const added = log.slice(expected.length);
  assert.deepEqual([...added].sort(), ['Written while the server was down', 'and one more', 'كتبتُ هذا دون اتصال'].sort());
  assert.ok(added.indexOf('Written while the server was down') < added.indexOf('and one more'), 'in the order of writing');
  expected = log;
  await assertAgree();
  await patient.withStatus('كتبتُ هذا دون اتصال', 'read');
  await doctor.withStatus('and one more', 'read');
});

step('two tabs of one person share an outbox', async () => {
  const second = await homes[0].page();
  await second.signIn(doctorId);
  await second.get(`conversation-${conversation}`).click();
  await outage();
  await second.say('From the other tab');
  await doctor.withStatus('From the other tab', 'pending');
  await recovery();
  await second.withStatus('From the other tab', 'read');
  expected.push('From the other tab');
  assert.deepEqual(await second.texts(), expected);
  await assertAgree();
  await second.page.close();
});

step('a stale message is asked about, not sent by itself', async () => {
  await outage();
  await doctor.say('Please come in now', 'Never mind');
  await doctor.page.evaluate((age) => {
    for (const key of Object.keys(localStorage).filter((k) => k.includes(':out:'))) {
      const entry = JSON.parse(localStorage[key]);
      localStorage[key] = JSON.stringify({ ...entry, composed_at: new Date(Date.parse(entry.composed_at) - age).toISOString() });
    }
  }, STALE_MS);
  await doctor.page.reload(); // opens the same conversation again
  await doctor.withStatus('Please come in now', 'confirm');
  await recovery();
  await doctor.say('This one is new');
  await doctor.withStatus('This one is new', 'read');
  expected.push('This one is new');
  await patient.message('This one is new').waitFor();
  assert.deepEqual(await patient.texts(), expected);
  await assertAccessible(doctor, 'question about unsent messages');
  await doctor.page.screenshot({ path: join(shots, 'unsent.png') });
  await doctor.message('Never mind').getByTestId('discard').click();
  await doctor.message('Never mind').waitFor({ state: 'detached' });
  await doctor.message('Please come in now').getByTestId('confirm-send').click();
  await patient.message('Please come in now').getByTestId('composed').waitFor(); // written …, received …
  await doctor.message('Please come in now').getByTestId('composed').waitFor();
  expected.push('Please come in now');
  await assertAgree();
});

step('older messages come by scrolling up', async () => {
  const many = Array.from({ length: 130 }, (_, i) => `Reading ${i + 1}: 120/80`);
  await doctor.page.evaluate(async ({ id, texts }) => {
    const { BedsideClient } = await import('./bedside-client.js');
    const { token } = JSON.parse(sessionStorage.getItem('bedside.session'));
    const client = new BedsideClient({ url: new URL('ws', location.href.replace(/^http/, 'ws')).href, token, storage: null });
    client.connect();
    await Promise.all(texts.map((text) => client.send({ conversationId: id, text }).stored));
    client.close();
  }, { id: conversation, texts: many });
  expected.push(...many);
  await assertAgree();
  // A window that knows nothing fetches the newest page, and the others when it scrolls there.
  await patient.page.evaluate(() => Object.keys(localStorage).filter((k) => k.includes(':conv:')).forEach((k) => localStorage.removeItem(k)));
  await patient.page.goto('about:blank');
  await patient.page.evaluate(() => {});
  await patient.page.goto(server.origin);
  await patient.online();
  await patient.get(`conversation-${conversation}`).click();
  await patient.message(many.at(-1)).waitFor();
  await until(async () => {
    await patient.page.locator('.scroller').evaluate((node) => { node.scrollTop = 0; });
    return (await patient.texts()).length === expected.length;
  }, 'everything was scrolled to');
  await assertAgree();
});

step('every look: two languages, two widths, two themes', async () => {
  await doctor.say('Your results are in, and they are good.', 'نتائجك مطمئنة. نلتقي يوم الخميس.');
  expected.push('Your results are in, and they are good.', 'نتائجك مطمئنة. نلتقي يوم الخميس.');
  await patient.message(expected.at(-1)).waitFor();
  await patient.say('الحمد لله، شكرًا دكتور!');
  expected.push('الحمد لله، شكرًا دكتور!');
  await doctor.message(expected.at(-1)).waitFor();
  const { page } = doctor;
  for (const language of ['en', 'ar']) {
    if (await page.locator('html').getAttribute('lang') !== language) await doctor.get('lang').click();
    assert.equal(await page.locator('html').getAttribute('dir'), language === 'ar' ? 'rtl' : 'ltr');
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      for (const width of [1280, 375]) {
        await page.setViewportSize({ width, height: width === 375 ? 740 : 800 });
        const name = `${language}-${width}-${colorScheme}`;
        await doctor.message(expected.at(-1)).waitFor();
        await assertAccessible(doctor, `chat ${name}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${name} scrolls sideways by ${overflow}`);
        await page.screenshot({ path: join(shots, `chat-${name}.png`) });
        if (width === 375) {
          if (language === 'en') await doctor.get('back').click();
          else await page.goBack(); // as a phone's own button does
          await doctor.get(`conversation-${conversation}`).waitFor();
          await assertAccessible(doctor, `list ${name}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `list ${name} scrolls sideways by ${wide}`);
          await page.screenshot({ path: join(shots, `list-${name}.png`) });
          await doctor.get(`conversation-${conversation}`).click();
        }
      }
      await page.setViewportSize({ width: 1280, height: 800 });
    }
  }
  await doctor.get('lang').click();
  await doctor.get('theme').click();
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'light'); // the system says dark
});

step('the keyboard is enough', async () => {
  await patient.get('composer').focus();
  await patient.page.keyboard.press('Escape'); // leaves the conversation
  const focused = () => patient.page.evaluate(() => document.activeElement?.dataset.testid);
  await until(async () => (await focused()) === `conversation-${conversation}`, 'the list has the focus');
  await patient.page.keyboard.press('Enter');
  await until(async () => (await focused()) === 'composer', 'the composer has the focus');
  await patient.page.keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'message', 'the last message has the focus');
  await patient.page.keyboard.press('Enter');
  await until(async () => (await focused()) === 'emoji', 'the menu is open');
  await patient.page.keyboard.press('Escape');
  await until(async () => (await focused()) === 'actions', 'the menu is closed');
});

step('signing out leaves nothing of the user behind', async () => {
  for (const window of [doctor, patient]) {
    await window.get('signout').click();
    await window.get(`demo-user-${doctorId}`).waitFor();
    const left = await window.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    assert.ok(!left.includes('bedside:'), left);
    assert.ok(!left.includes('token'), left);
    assert.ok(!left.includes(doctorName), left);
  }
});

step('no console errors, no violations of the content security policy', () => {
  for (const home of homes) assert.deepEqual(home.faults, []);
});
