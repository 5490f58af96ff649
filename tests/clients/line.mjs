// One Socket.IO connection that writes down what it hears.

import assert from 'node:assert/strict';
import { io } from 'socket.io-client';

const PATIENCE_MS = 30_000;

/** The three ways in that front ends use. */
export const TRANSPORTS = new Map([
  ['default transports', {}],
  ['websocket only', { transports: ['websocket'] }],
  ['polling only', { transports: ['polling'] }],
]);

export class Line {
  heard = []; // {event, args}, oldest first, without what `next` took
  refused = null; // the last connect_error
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    this.socket.on('connect_error', (fault) => { this.refused = fault; });
    this.socket.onAny((event, ...args) => {
      this.heard.push({ event, args });
      this.#serve();
    });
  }

  /** A connection of its own. */
  static dial(url, options) {
    return new Line(io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100, ...options }));
  }

  /** Another namespace on the same connection. */
  beside(namespace, options) {
    return new Line(this.socket.io.socket(namespace, options));
  }

  /** Waits until the server has let it in. */
  async connected() {
    if (this.socket.connected) return this;
    await within(new Promise((done, failed) => {
      this.socket.once('connect', done);
      this.socket.once('connect_error', failed);
    }), () => 'the connection');
    return this;
  }

  /** Waits until the server has refused it, and returns why. */
  async refusal() {
    const fault = this.refused ?? await within(new Promise((done, failed) => {
      this.socket.once('connect_error', done);
      this.socket.once('connect', () => failed(new Error('it was let in')));
    }), () => 'the refusal');
    this.socket.disconnect();
    return fault;
  }

  /** The first argument of the first such event that was not taken yet; it is taken by this. */
  next(event, matches = () => true) {
    const mine = new Promise((take) => this.#waiting.push({ event, matches, take }));
    this.#serve();
    return within(mine, () => `${event}; heard: ${JSON.stringify(this.heard)}`);
  }

  #serve() {
    this.#waiting = this.#waiting.filter((waiting) => {
      const at = this.heard.findIndex(({ event, args }) => event === waiting.event && waiting.matches(args[0]));
      if (at < 0) return true;
      const [{ args }] = this.heard.splice(at, 1);
      assert.equal(args.length, 1, `${waiting.event} has one argument`);
      waiting.take(args[0]);
      return false;
    });
  }

  /** What came under these names and was not taken: nothing, where nothing was to come. */
  left(...events) {
    return this.heard.filter(({ event }) => events.includes(event));
  }

  /** Emits with an ack callback, and returns what the callback is called with. */
  ask(event, ...args) {
    return within(this.socket.emitWithAck(event, ...args), () => `the ack of ${event}`);
  }

  /** The same for a command that has to go well. */
  async done(event, ...args) {
    const ack = await this.ask(event, ...args);
    assert.equal(ack.ok, true, `${event}: ${JSON.stringify(ack)}`);
    return ack;
  }

  say(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits a command that has to be refused, with an ack callback and without one. */
  async isRefused(event, data, ...codes) {
    const ack = await this.ask(event, data);
    assert.equal(ack.ok, false, `${event} with an ack: ${JSON.stringify(ack)}`);
    assert.deepEqual(Object.keys(ack).sort(), ['error', 'ok']);
    assert.deepEqual(Object.keys(ack.error).sort(), ['code', 'message']);
    assert.ok(codes.includes(ack.error.code), `${event}: ${ack.error.code} is none of ${codes}`);
    assert.deepEqual(this.left('error'), [], 'with an ack there is no error event');
    this.say(event, data);
    const error = await this.next('error');
    assert.equal(typeof error.message, 'string');
    assert.notEqual(error.message, '');
    return ack.error;
  }

  /** Ends the connection without a goodbye, as when a network is gone. */
  drop() {
    this.socket.io.engine.close();
  }

  close() {
    this.socket.close();
  }
}

/** The value of a promise, or a fault that says what was waited for. */
export async function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`did not come in ${ms} ms: ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
