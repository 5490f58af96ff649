// The SFU with real Chromium: pages with made-up cameras and microphones, behind the smallest
// signalling there is (examples/calls).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { until } from './until.mjs';

// Where a part of this takes longer, the others still have their time.
const options = { timeout: 90_000 };

const MEDIA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  // A machine that has nothing but itself.
  '--allow-loopback-in-peer-connection'];

let browser;

before(async () => { browser = await launch(MEDIA); });
after(async () => { await browser?.close(); });

class Call {
  static async open(settings = {}) {
    const bin = process.env.BEDSIDE_CALLS_BIN;
    if (!bin) throw new Error('BEDSIDE_CALLS_BIN must name the example binary calls');
    const call = new Call();
    call.child = spawn(bin, [], { env: { ...process.env, ...settings }, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(call.child.stdout.setEncoding('utf8'), 'data');
    call.origin = line.trim();
    call.pages = [];
    return call;
  }

  async join(options) {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.faults = [];
    page.on('pageerror', (fault) => page.faults.push(String(fault)));
    await page.goto(this.origin);
    page.id = await page.evaluate((o) => window.call.join(o), options);
    this.pages.push(page);
    return page;
  }

  async allSeeAll(pages = this.pages, sources = ['camera', 'microphone']) {
    for (const page of pages) {
      for (const other of pages.filter((o) => o !== page)) {
        for (const source of sources) await rises(page, `${other.id}/${source}`);
      }
    }
  }

  async stats() {
    return (await fetch(`${this.origin}/stats`)).json();
  }

  async close() {
    for (const page of this.pages) {
      const told = await page.evaluate(() => window.call.told.filter((e) => ['fault', 'failed', 'lost'].includes(e.type)));
      assert.deepEqual([...page.faults, ...told], []);
      await page.context().close();
    }
    assert.equal((await this.stats()).panics, 0);
    this.child.kill();
  }
}

const received = (page) => page.evaluate(() => window.call.received());
const measure = (seen) => seen?.frames ?? seen?.energy ?? 0;

/** Frames are decoded, or sound is heard. */
async function rises(page, key, by = 5) {
  const from = measure((await received(page))[key]);
  const enough = key.endsWith('microphone') ? 0 : by - 1;
  return until(async () => measure((await received(page))[key]) > from + enough, `${key} rises on ${page.id}`);
}

const told = (page, type, more = {}) => until(
  () => page.evaluate(([t, m]) => window.call.told.some((e) => e.type === t && Object.keys(m).every((k) => e[k] === m[k])), [type, more]),
  `${type} ${JSON.stringify(more)} is told`);

test('two see and hear each other for 10 s', options, async () => {
  const call = await Call.open();
  const [a, b] = [await call.join(), await call.join()];
  await call.allSeeAll();
  await told(a, 'connected', { who: b.id });
  await told(a, 'published', { who: b.id, source: 'camera' });
  const before = await received(a);
  await new Promise((wake) => setTimeout(wake, 10_000));
  const [now, other] = [await received(a), await received(b)];
  const [picture, voice] = [now[`${b.id}/camera`], now[`${b.id}/microphone`]];
  const frames = picture.frames - before[`${b.id}/camera`].frames;
  const passed = picture.time - before[`${b.id}/camera`].time;
  // How smooth it is depends on the machine: it encodes and decodes for all pages.
  console.log(`${frames} frames, ${picture.freezes} and ${other[`${a.id}/camera`].freezes} freezes, lost ${picture.lost}`);
  assert.ok(frames > 80, `${frames} frames in 10 s`);
  assert.ok(passed > 8, `${passed} s were shown in 10 s`);
  assert.equal(picture.codec, 'video/VP8');
  assert.ok(voice.energy > before[`${b.id}/microphone`].energy);
  const pair = await a.evaluate(() => window.call.pair());
  assert.equal(pair.dtls, 'connected');
  await told(a, 'quality', { who: a.id });
  await call.close();
});

test('three who join one after another, one of them in H.264', options, async () => {
  const call = await Call.open();
  const a = await call.join({ codec: 'VP8' });
  const b = await call.join({ codec: 'H264' });
  await call.allSeeAll();
  const c = await call.join({ codec: 'VP8' });
  await call.allSeeAll();
  for (const page of [a, c]) assert.equal((await received(page))[`${b.id}/camera`].codec, 'video/H264');
  assert.equal((await received(b))[`${a.id}/camera`].codec, 'video/VP8');
  await call.close();
});

test('mute, and what is shown again', options, async () => {
  const call = await Call.open();
  const [a, b] = [await call.join(), await call.join()];
  await call.allSeeAll();
  await a.evaluate(() => window.call.act('hide'));
  const key = `${a.id}/camera`;
  await until(async () => {
    const before = measure((await received(b))[key]);
    await new Promise((wake) => setTimeout(wake, 1_000));
    return measure((await received(b))[key]) === before;
  }, 'the picture stands still');
  await a.evaluate(() => window.call.act('show'));
  await rises(b, key);
  assert.equal((await received(b))[key].lost, 0);
  await call.close();
});

test('a page that is loaded again has its place, and the other goes on without a new offer', options, async () => {
  const call = await Call.open();
  const [a, b] = [await call.join(), await call.join()];
  await call.allSeeAll();
  const offers = await a.evaluate(() => window.call.offers);
  await b.reload();
  await b.evaluate((id) => window.call.join({ query: `id=${id}` }), b.id);
  await call.allSeeAll();
  assert.equal(await a.evaluate(() => window.call.offers), offers);
  await call.close();
});

test('an ICE restart while the call runs', options, async () => {
  const call = await Call.open();
  const [a] = [await call.join(), await call.join()];
  await call.allSeeAll();
  await a.evaluate(() => window.call.act('restart'));
  await told(a, 'offer', { restart: true });
  await call.allSeeAll();
  await call.close();
});

test('a screen is a second picture, and its section is used again', options, async () => {
  const call = await Call.open();
  const [a, b] = [await call.join(), await call.join()];
  await call.allSeeAll();
  // What getDisplayMedia would give, without a screen to take it from.
  await a.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 800, height: 450 });
    let n = 0;
    setInterval(() => {
      const drawing = canvas.getContext('2d');
      drawing.fillStyle = `hsl(${n += 7} 80% 50%)`;
      drawing.fillRect(0, 0, 800, 450);
    }, 100);
    [window.call.screen] = canvas.captureStream(10).getVideoTracks();
  });
  await a.evaluate(() => window.call.act('share'));
  await rises(b, `${a.id}/screen`);
  await rises(b, `${a.id}/camera`);
  await told(b, 'published', { who: a.id, source: 'screen' });
  await a.evaluate(() => window.call.act('unshare'));
  await told(b, 'unpublished', { who: a.id, source: 'screen' });
  await a.evaluate(() => window.call.act('share'));
  await rises(b, `${a.id}/screen`);
  await call.close();
});

const python = process.env.BEDSIDE_TEST_AIORTC;

test('a stack that is no browser', { ...options, skip: python ? false : 'BEDSIDE_TEST_AIORTC names no Python with aiortc' }, async () => {
  const call = await Call.open();
  const page = await call.join();
  const guest = spawn(python, ['../media/aiortc/peer.py', call.origin], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = [];
  createInterface({ input: guest.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  try {
    const { id } = await until(() => said.at(-1), 'it joins');
    await until(() => said.at(-1).audio > 50 && said.at(-1).video > 10, 'it hears and sees the page', 40_000);
    await rises(page, `${id}/camera`);
    await until(async () => (await received(page))[`${id}/microphone`]?.packets > 50, 'the page gets its voice, which is silence');
  } finally {
    guest.kill();
  }
  await call.close();
});

test('three layers of a picture, of which one is passed on, over all that is negotiated', options, async () => {
  const call = await Call.open({ CALLS_SIMULCAST: '1' });
  const camera = { width: 1280, height: 720 };
  for (let n = 0; n < 3; n += 1) {
    await call.join({ camera });
    await call.allSeeAll();
  }
  await call.close();
});
