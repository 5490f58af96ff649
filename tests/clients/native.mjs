// A client of the native protocol, a few lines long.

import { WebSocket } from 'ws';
import { within } from './line.mjs';

export class Native {
  heard = []; // events: {type, conversation_id?, seq?, data}
  #replies = new Map();
  #count = 0;
  #waiting = [];

  static open(person) {
    return this.dial(person.clinic.origin, '', { headers: { Authorization: `Bearer ${person.token}` } });
  }

  /** With a ticket, which opens one socket. */
  static redeem(origin, ticket) {
    return this.dial(origin, `?ticket=${encodeURIComponent(ticket)}`);
  }

  static async dial(origin, query, options) {
    const native = new this();
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/ws${query}`, 'bedside.v1.json', options);
    native.socket = socket;
    socket.on('message', (frame) => native.#take(JSON.parse(frame)));
    native.closed = new Promise((done) => socket.once('close', done));
    const opened = new Promise((done, failed) => socket.once('open', done).on('error', failed));
    await within(opened, () => 'the WebSocket');
    await native.next('session.welcome');
    return native;
  }

  #take(frame) {
    if ('reply_to' in frame) {
      this.#replies.get(frame.reply_to)?.(frame);
      this.#replies.delete(frame.reply_to);
    } else {
      this.heard.push(frame);
      this.#serve();
    }
  }

  #serve() {
    this.#waiting = this.#waiting.filter(({ type, matches, take }) => {
      const at = this.heard.findIndex((frame) => frame.type === type && matches(frame));
      if (at >= 0) take(this.heard.splice(at, 1)[0]);
      return at < 0;
    });
  }

  /** The first such event that was not taken yet; it is taken by this. */
  next(type, matches = () => true) {
    const mine = new Promise((take) => this.#waiting.push({ type, matches, take }));
    this.#serve();
    return within(mine, () => `${type}; heard: ${JSON.stringify(this.heard)}`);
  }

  /** Sends a command, and returns the data of its reply. */
  async command(type, data) {
    const id = this.#count += 1;
    const reply = new Promise((done) => this.#replies.set(id, done));
    this.socket.send(JSON.stringify({ id, type, data }));
    const { data: answer, error } = await within(reply, () => `the reply to ${type}`);
    if (error) throw Object.assign(new Error(`${type}: ${error.code}: ${error.message}`), { code: error.code });
    return answer;
  }

  close() {
    this.socket.close();
  }
}
