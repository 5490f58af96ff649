// The client library inside a real browser, on a page of another origin than the server's.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { launch } from '../browser/browser.mjs';
import { Clinic, words } from './clinic.mjs';
import { TRANSPORTS } from './line.mjs';

let clinic;
let browser;
const hosts = [];

before(async () => {
  const [front, foreign] = [await host(), await host()];
  hosts.push(front, foreign);
  clinic = await Clinic.open({ FRONTEND_URL: front.origin });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await clinic?.close();
  for (const { server } of hosts) server.close();
});

/** A web server that has a page with the client library, and nothing else. */
async function host() {
  const library = await readFile(new URL('node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url));
  const server = createServer((request, response) => {
    const isLibrary = request.url === '/socket.io.js';
    response.writeHead(200, { 'Content-Type': isLibrary ? 'text/javascript' : 'text/html' });
    response.end(isLibrary ? library : '<!doctype html><link rel=icon href=data:,><script src=/socket.io.js></script>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

async function pageOf({ origin }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(origin);
  return page;
}

/** In the page: connects, sends one message, and waits for the answer. */
const inPage = ({ url, token, options, to, content }) => new Promise((done) => {
  const socket = window.io(url, { auth: { token }, ...options });
  const end = (outcome) => {
    socket.close();
    done(outcome);
  };
  socket.on('connect', () => socket.emit('send_message', { receiverId: to, content, messageType: 'text' }));
  socket.on('new_message', ({ message }) => {
    // An upgrade may still be going on when the answer is there.
    const { engine } = socket.io;
    const wanted = options.transports?.[0] ?? 'websocket';
    const outcome = () => ({ content: message.content, transport: engine.transport.name });
    if (engine.transport.name === wanted) end(outcome());
    else engine.once('upgrade', () => end(outcome()));
  });
  socket.on('connect_error', (fault) => end({ fault: fault.message }));
});

for (const [name, options] of TRANSPORTS) {
  test(`a page of the front end sends and receives: ${name}`, async () => {
    const [doctor, patient] = await clinic.pair();
    const answers = await doctor.open();
    answers.socket.on('new_message', ({ message }) => answers.say('send_message', { receiverId: patient.id, content: `re: ${message.content}`, messageType: 'text' }));
    const page = await pageOf(hosts[0]);
    const content = words();
    const outcome = await page.evaluate(inPage, { url: clinic.origin, token: patient.token, options, to: doctor.id, content });
    assert.deepEqual(outcome, { content: `re: ${content}`, transport: options.transports?.[0] ?? 'websocket' });
    await page.context().close();
  });

  test(`a page of any other origin gets nowhere: ${name}`, async () => {
    const [doctor, patient] = await clinic.pair();
    const page = await pageOf(hosts[1]);
    const outcome = await page.evaluate(inPage, { url: clinic.origin, token: patient.token, options, to: doctor.id, content: words() });
    assert.ok(outcome.fault, JSON.stringify(outcome));
    assert.deepEqual(await doctor.messagesWith(patient), []);
    await page.context().close();
  });
}
