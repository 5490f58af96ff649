// A clinic: a real server with a secret, people with tokens as the clinic's sign-in gives them,
// and its other systems, which say who is whose patient.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { startServer } from '../browser/server.mjs';
import { until } from '../browser/until.mjs';
import { auditLog } from './audit.mjs';
import { Line } from './line.mjs';
import { text, time } from './shape.mjs';

/** In every text that people write here: it must not turn up in a log. */
export const PHI = 'phi-4711';
/** Files may be linked from here. */
export const FILES = 'https://files.clinic.example';
/** Where the clinic's front end is. */
export const FRONTEND = 'https://front.clinic.example';

/** A token as the clinic's own sign-in would give it. */
export function mint(secret, claims) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iat: now, exp: now + 3600, ...claims })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

export class Clinic {
  #count = 0;
  #prefix = '';
  #lines = [];

  static async open(settings = {}) {
    const secret = randomBytes(48).toString('base64url');
    const server = await startServer({
      secret, settings: { FRONTEND_URL: FRONTEND, BEDSIDE_FILE_ORIGINS: FILES, BEDSIDE_LOG: 'debug', ...settings },
    });
    return Object.assign(of(this, server.origin, secret), { server });
  }

  /** At a server that was there before, and people who were not. */
  static at(origin, secret) {
    const clinic = of(this, origin, secret);
    clinic.#prefix = randomBytes(4).toString('hex');
    return clinic;
  }

  async close() {
    this.hangUp();
    await this.server.stop();
    assertQuiet(this.server.log());
  }

  hangUp() {
    for (const line of this.#lines) line.close();
  }

  /** Somebody whom the directory knows. */
  async person(role, { id = `${role[0]}${this.#prefix}${this.#count += 1}` } = {}) {
    const person = new Person(this, role, id);
    await this.rest('PUT', `/api/v1/users/${id}`, { name: person.fullname, email: person.email, role }).then(ok);
    return person;
  }

  /** A doctor and a patient of theirs. */
  async pair(ids = []) {
    const doctor = await this.person('doctor', { id: ids[0] });
    const patient = await this.person('patient', { id: ids[1] });
    await this.relate(patient, doctor);
    return [doctor, patient];
  }

  relate(patient, other, kind = 'clinician') {
    return this.rest('PUT', '/api/v1/relations', { patient_id: patient.id, user_id: other.id, kind }).then(ok);
  }

  unrelate(patient, other) {
    return this.rest('DELETE', `/api/v1/relations?patient_id=${patient.id}&user_id=${other.id}`).then(ok);
  }

  /** Asks REST, in the name of a system of the clinic unless a token says otherwise. */
  async rest(method, path, body, token = this.service) {
    const answer = await fetch(`${this.origin}${path}`, {
      method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
    });
    const said = await answer.text();
    return { asked: `${method} ${path}`, status: answer.status, headers: answer.headers, body: said && JSON.parse(said) };
  }

  line(namespace, options, origin = this.origin) {
    return this.keep(Line.dial(`${origin}${namespace}`, options));
  }

  /** Closes it in the end. */
  keep(line) {
    this.#lines.push(line);
    return line;
  }

  audit() {
    return auditLog(this.server.data);
  }

  /** Does something that the audit log has to tell of, and returns the new entries of this actor. */
  async audited(actor, act) {
    const before = (await this.audit()).length;
    await act();
    const entries = await until(async () => {
      const mine = (await this.audit()).slice(before).filter((entry) => entry.actor === actor.id);
      return mine.length > 0 && mine;
    }, `the audit log has an entry about ${actor.id}`, 3_000);
    for (const entry of entries) {
      assert.ok(text(entry.action) && Number.isInteger(entry.at), JSON.stringify(entry));
      assert.ok(!JSON.stringify(entry).includes(PHI), 'no text of a patient is in the audit log');
    }
    return entries;
  }
}

class Person {
  constructor(clinic, role, id) {
    Object.assign(this, { clinic, role, id, fullname: `Name of ${id}`, email: `${id}@clinic.example` });
    this.token = this.tokenWith({});
  }

  tokenWith(claims) {
    return mint(this.clinic.secret, { sub: this.id, role: this.role, fullname: this.fullname, email: this.email, ...claims });
  }

  /** The same person, at another server of the clinic's. */
  at(clinic) {
    return new Person(clinic, this.role, this.id);
  }

  /** As messages of seed 004 have people in them. */
  get user() {
    return { _id: this.id, fullname: this.fullname, email: this.email, role: this.role };
  }

  /** On paths of seed 000 an id that is a number is written as one. */
  get number() {
    return Number(this.id);
  }

  /** A connection that the server has let in. */
  async open(namespace = '/', options = {}) {
    return this.dial(namespace, options).connected();
  }

  dial(namespace = '/', options = {}, origin = this.clinic.origin) {
    return this.clinic.line(namespace, { auth: { token: this.token }, ...options }, origin);
  }

  ask(method, path, body) {
    return this.clinic.rest(method, path, body, this.token);
  }

  async get(path) {
    return ok(await this.ask('GET', path));
  }

  async post(path, body) {
    return ok(await this.ask('POST', path, body));
  }

  async put(path, body) {
    return ok(await this.ask('PUT', path, body));
  }

  /** The page that seed 004's front end loads. */
  async messagesWith(other, query = '') {
    const { success, data } = await this.get(`/chat/conversations/${other.id}${query}`);
    assert.equal(success, true);
    return data;
  }

  async textsWith(other, query = '') {
    return (await this.messagesWith(other, query)).map((message) => message.content);
  }
}

function of(Kind, origin, secret) {
  return Object.assign(new Kind(), { origin, secret, service: mint(secret, { sub: 'clinic', role: 'service', scope: 'directory:write' }) });
}

/** What must never be in a log. */
export function assertQuiet(log) {
  assert.ok(!log.includes(PHI), 'no text of a patient is in the log');
  assert.ok(!/eyJ[\w-]{10}/.test(log), 'no token is in the log');
  assert.ok(!/panicked/.test(log), `nothing panicked:\n${log}`);
}

function ok(answer) {
  assert.ok(answer.status >= 200 && answer.status < 300, `${answer.asked}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

let said = 0;
/** A text like no other. */
export const words = (about = 'text') => `${about} ${PHI} ${said += 1}`;

/** What a message of seed 004 looks like. */
export const message004 = (from, to, content, more = {}) => ({
  _id: text, sender: from.user, receiver: to.user, content, messageType: 'text', fileUrl: null, fileName: null, isRead: false, createdAt: time, ...more,
});
