// What is between a client and the server: a wire that can be cut, or carry nothing.

import { connect, createServer } from 'node:net';

export class Gap {
  #pairs = new Set();
  #refusing = false;
  #silent = false;

  /** A wire to the server, which keeps running whatever happens to the wire. */
  static open(origin) {
    const { hostname, port } = new URL(origin);
    const gap = new Gap();
    gap.server = createServer((near) => gap.#join(near, connect({ host: hostname, port: Number(port) })));
    return new Promise((done) => gap.server.listen(0, '127.0.0.1', () => {
      gap.origin = `http://127.0.0.1:${gap.server.address().port}`;
      done(gap);
    }));
  }

  #join(near, far) {
    if (this.#refusing) {
      near.destroy();
      far.destroy();
      return;
    }
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near]]) {
      from.on('data', (bytes) => {
        if (!this.#silent) to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
    }
  }

  /** From now on what either side writes is lost, and neither can tell. */
  swallow() {
    this.#silent = true;
  }

  /** Ends all connections; new ones are refused until `mend`. */
  cut() {
    this.#refusing = true;
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  mend() {
    this.#refusing = false;
    this.#silent = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
