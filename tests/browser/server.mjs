// Starts the real server on a free port with its own data directory, and kills it without mercy.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.mjs';

const run = promisify(execFile);

function freePort() {
  return new Promise((found, failed) => {
    const probe = createServer().on('error', failed).listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

/** Without a `secret` the server is in demo mode; `settings` are more variables for it. */
export async function startServer({ secret, settings } = {}) {
  const bin = process.env.BEDSIDE_BIN;
  if (!bin) throw new Error('BEDSIDE_BIN must name the server binary');
  const port = await freePort();
  const data = await mkdtemp(join(tmpdir(), 'bedside-browser-'));
  const { JWT_SECRET, ...env } = process.env;
  Object.assign(env, { PORT: String(port), BEDSIDE_DATA_DIR: data }, secret && { JWT_SECRET: secret }, settings);
  const origin = `http://127.0.0.1:${port}`;
  let child = null;
  let said = '';

  const server = {
    origin,
    data,
    log: () => said,
    /** A token as the clinic's own sign-in would give it. */
    async token(...options) {
      return (await run(bin, ['token', ...options], { env })).stdout.trim();
    },
    async start() {
      child = spawn(bin, ['serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { said += text; });
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`the server ended:\n${said}`);
        return (await fetch(`${origin}/ready`)).status === 200;
      }, 'the server is ready');
    },
    async kill() {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
    },
    /** Asks it to stop, as for an upgrade; its exit code. */
    async terminate() {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      return ended;
    },
    async stop() {
      if (child && child.exitCode === null && child.signalCode === null) await server.kill();
      await rm(data, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
