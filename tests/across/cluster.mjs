// The cluster that the tests of this directory share: real nodes, on a real ring, with a real
// Redis between them, as `scripts/cluster up` has started them.

import { execFile } from 'node:child_process';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../browser/until.mjs';
import { assertQuiet, Clinic } from '../clients/clinic.mjs';
import { isLater, patiently, SLOWLY_MS } from './patience.mjs';

const run = promisify(execFile);

/** The clinic as one node has it. */
class Place extends Clinic {
  rest(...asked) {
    return patiently(() => super.rest(...asked), ({ body }) => isLater(body?.code));
  }
}

class Service {
  constructor(cluster, name, address) {
    Object.assign(this, { cluster, name, home: join(cluster.state, name), origin: `http://${address}` });
  }

  log() {
    return readFile(join(this.home, 'log'), 'utf8');
  }

  /** Pids are used again: it is this one when it works in this cluster. */
  async #running() {
    const pid = Number(await readFile(join(this.home, 'pid'), 'utf8'));
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    return place.startsWith(this.cluster.state) ? pid : null;
  }

  async kill() {
    process.kill(await this.#running(), 'SIGKILL');
    await until(async () => await this.#running() === null, `${this.name} is gone`);
  }

  /** Starts it again, unless it runs. */
  async start() {
    if (await this.#running() === null) await run(join(this.home, 'start'));
  }
}

class Node extends Service {
  ready() {
    return until(async () => (await fetch(`${this.origin}/ready`)).status === 200, `${this.name} is ready`, SLOWLY_MS);
  }

  /** The sum of a counter of its metrics, over those with these labels. */
  async counted(name, labels = '') {
    const answer = await fetch(`${this.origin}/metrics`, { headers: { Authorization: `Bearer ${this.cluster.settings.METRICS_TOKEN}` } });
    const lines = (await answer.text()).split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
}

class Cluster {
  /** The same clinic, once for each node, and once through the balancer. */
  clinics = [];

  static async find() {
    const cluster = new Cluster();
    const { BEDSIDE_TEST_CLUSTER: state } = process.env;
    if (!state) throw new Error('BEDSIDE_TEST_CLUSTER must name the state directory of a cluster, see scripts/cluster');
    cluster.state = await realpath(state);
    const lines = async (file) => (await readFile(join(cluster.state, file), 'utf8')).trim().split('\n');
    const services = (await lines('services')).map((line) => line.split(' '));
    const all = (wanted, Kind = Service) => services.filter(([, kind]) => kind === wanted).map(([name, , address]) => new Kind(cluster, name, address));
    cluster.settings = Object.fromEntries((await lines('env')).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    cluster.nodes = all('node', Node);
    [cluster.redis] = all('redis');
    [cluster.balancer] = all('balancer');
    cluster.clinics = cluster.nodes.map(({ origin }) => cluster.#clinic(origin));
    cluster.balanced = cluster.#clinic(cluster.balancer.origin);
    await cluster.whole();
    return cluster;
  }

  #clinic(origin) {
    return Place.at(origin, this.settings.JWT_SECRET);
  }

  /** Whatever a test has ended is there again. */
  async whole() {
    await this.redis?.start(); // a node that is alone has none
    for (const node of this.nodes) await node.start();
    for (const node of this.nodes) await node.ready();
  }

  async close() {
    for (const clinic of [...this.clinics, this.balanced]) clinic.hangUp();
    await this.whole();
    for (const node of this.nodes) assertQuiet(await node.log());
  }
}

export const findCluster = () => Cluster.find();
