// What a browser asks before a page of another origin may speak to the server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { Clinic, FRONTEND } from './clinic.mjs';

const SECOND = 'https://staff.clinic.example';
const EVIL = 'https://evil.example';
const PATH = '/socket.io/?EIO=4&transport=polling';

let clinic;

before(async () => {
  clinic = await Clinic.open({ CORS_ORIGIN: SECOND, CORS_CREDENTIALS: 'true' });
});
after(() => clinic?.close());

const ask = (method, headers, path = PATH) => fetch(`${clinic.origin}${path}`, { method, headers });

test('a page of the front end may poll, and send its token', async () => {
  for (const origin of [FRONTEND, SECOND]) {
    const preflight = await ask('OPTIONS', { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' });
    assert.ok([200, 204].includes(preflight.status), `${preflight.status}`);
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin);
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/);
    assert.match((preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase(), /authorization/);
    assert.match((preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase(), /content-type/);
    assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
    const opened = await ask('GET', { Origin: origin });
    assert.equal(opened.status, 200);
    assert.equal(opened.headers.get('access-control-allow-origin'), origin);
    assert.match(opened.headers.get('vary') ?? '', /origin/i);
    const { sid } = JSON.parse((await opened.text()).slice(1));
    const posted = await fetch(`${clinic.origin}${PATH}&sid=${sid}`, { method: 'POST', headers: { Origin: origin, 'Content-Type': 'text/plain;charset=UTF-8' }, body: '40' });
    assert.equal(posted.status, 200);
    assert.equal(posted.headers.get('access-control-allow-origin'), origin);
    const unknown = await fetch(`${clinic.origin}${PATH}&sid=nobody`, { headers: { Origin: origin } });
    assert.equal(unknown.status, 400);
    assert.equal(unknown.headers.get('access-control-allow-origin'), origin, 'a page may read why it was refused');
  }
});

test('a page of any other origin may not', async () => {
  for (const origin of [EVIL, `${FRONTEND}.evil.example`, 'null', 'http://front.clinic.example']) {
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await ask(method, { Origin: origin, 'Access-Control-Request-Method': 'POST' });
      assert.equal(answer.headers.get('access-control-allow-origin'), null, `${method} from ${origin}`);
    }
  }
});

test('a websocket of any other origin is refused, one of the front end or of no browser is not', async () => {
  const open = (origin) => new Promise((done) => {
    const socket = new WebSocket(`${clinic.origin.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { origin });
    socket.on('open', () => {
      socket.close();
      done('open');
    });
    socket.on('unexpected-response', (_, answer) => {
      answer.destroy();
      done(answer.statusCode);
    });
    socket.on('error', () => {});
  });
  for (const origin of [FRONTEND, SECOND, undefined, clinic.origin]) assert.equal(await open(origin), 'open', `${origin}`);
  for (const origin of [EVIL, `${FRONTEND}.evil.example`]) {
    const status = await open(origin);
    assert.ok(status === 400 || status === 403, `${origin}: ${status}`);
  }
});
