// Client libraries of other languages. Each guest is a small program that connects, sends one
// message, waits for one, and says what it hears.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { Clinic, message004, words } from './clinic.mjs';
import { within } from './line.mjs';
import { like } from './shape.mjs';

const PYTHON = process.env.BEDSIDE_TEST_PYTHON; // one that has python/requirements.txt
const RUST = process.env.BEDSIDE_TEST_RUST_SOCKETIO; // the program of tests/rust_socketio
const GUESTS = {
  'python-socketio': PYTHON && [PYTHON, new URL('python/guest.py', import.meta.url).pathname],
  rust_socketio: RUST && [RUST],
};
const PATIENCE_MS = 30_000;

let clinic;

before(async () => {
  clinic = await Clinic.open();
});
after(() => clinic?.close());

/** A guest that runs, and what it has said. */
class Guest {
  heard = [];
  #waiting = [];

  constructor([program, ...args], settings) {
    const child = spawn(program, args, { env: { ...process.env, ORIGIN: clinic.origin, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.complaints = '';
    child.stderr.on('data', (text) => { this.complaints += text; });
    createInterface(child.stdout).on('line', (line) => {
      this.heard.push(JSON.parse(line));
      this.#serve();
    });
    this.ended = new Promise((done) => child.once('close', done));
  }

  #serve() {
    this.#waiting = this.#waiting.filter(({ event, take }) => {
      const at = this.heard.findIndex((heard) => heard.event === event);
      if (at >= 0) take(this.heard.splice(at, 1)[0].data);
      return at < 0;
    });
  }

  next(event) {
    const mine = new Promise((take) => this.#waiting.push({ event, take }));
    this.#serve();
    return within(mine, () => `${event}; heard: ${JSON.stringify(this.heard)}; said: ${this.complaints}`, PATIENCE_MS);
  }

  /** Its exit code. */
  end() {
    return within(this.ended, () => 'its end', PATIENCE_MS).finally(() => this.child.kill());
  }
}

for (const [name, command] of Object.entries(GUESTS)) {
  const options = { skip: command ? false : 'its program was not named' };
  for (const transport of ['websocket', 'polling', 'both']) {
    test(`${name} connects, sends and receives: ${transport}`, options, async () => {
      const [doctor, patient] = await clinic.pair();
      const theirs = await doctor.open();
      const [question, answer] = [words(), words()];
      const guest = new Guest(command, { TOKEN: patient.token, OTHER: doctor.id, TEXT: question, TRANSPORT: transport });
      await guest.next('connect');
      const wanted = { message: message004(patient, doctor, question) };
      like(await theirs.next('new_message'), wanted);
      assert.equal((await guest.next('ack')).ok, true);
      like(await guest.next('message_sent'), wanted);
      await theirs.done('send_message', { receiverId: patient.id, content: answer, messageType: 'text' });
      like(await guest.next('new_message'), { message: message004(doctor, patient, answer) });
      assert.equal(await guest.end(), 0, guest.complaints);
      assert.deepEqual(await doctor.textsWith(patient), [question, answer]);
    });
  }

  test(`${name} is told that its token is not good`, options, async () => {
    const guest = new Guest(command, { TOKEN: 'x', OTHER: 'd1', TEXT: 'x', TRANSPORT: 'websocket' });
    assert.match(JSON.stringify(await guest.next('refused')), /unauthorized/);
    assert.notEqual(await guest.end(), 0);
  });
}
