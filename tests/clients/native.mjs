// A client of the native protocol, a few lines long.

import { WebSocket } from 'ws';
import { within } from './line.mjs';

export class Native {
  heard = []; // events: {type, conversation_id?, seq?, data}
  #replies = new Map();
  #count = 0;
  #waiting = [];

  static async open(person) {
    const native = new Native();
    const url = `${person.clinic.origin.replace(/^http/, 'ws')}/ws`;
    native.socket = new WebSocket(url, 'bedside.v1.json', { headers: { Authorization: `Bearer ${person.token}` } });
    native.socket.on('message', (frame) => native.#take(JSON.parse(frame)));
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
    if (error) throw new Error(`${type}: ${error.code}: ${error.message}`);
    return answer;
  }

  close() {
    this.socket.close();
  }
}
