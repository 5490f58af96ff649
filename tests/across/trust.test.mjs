// Who is kept out, and tokens that run out, on live connections of every kind: each at another
// node than the one that is told. It runs on one node too, see `scripts/cluster up --alone`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mint, words } from '../clients/clinic.mjs';
import { within } from '../clients/line.mjs';
import { findCluster } from './cluster.mjs';
import { Device, done, SLOWLY_MS } from './patience.mjs';

/** From the answer to the administrator until the last connection is closed. */
const CLOSED_WITHIN_MS = 1_000;
/** The same while nodes do not hear each other. */
const FOUND_WITHIN_MS = 5_000;
/** So long do tokens live that are to run out, and so late may that be noticed. */
const SHORT_S = 15;
const NOTICED_WITHIN_MS = 2_000;

let cluster;
let admin; // a token

before(async () => {
  cluster = await findCluster();
  admin = mint(cluster.settings.JWT_SECRET, { sub: 'the-administrator', role: 'admin' });
});
after(() => cluster?.close());

/** Asks the first node, as an administrator. */
async function command(method, path, body) {
  const answer = await cluster.clinics[0].rest(method, `/api/v1/admin/${path}`, body, admin);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return performance.now();
}

/** Remembers how it ended, and when. */
const ending = (connection, ended) => Object.assign(connection, {
  over: ended.then((how) => Object.assign(connection, { how, at: performance.now() })),
});

async function native(person) {
  const device = await Device.open(person);
  const connection = {
    kind: 'native',
    refresh: (token) => device.command('session.refresh', { token }),
    told: () => device.next('session.expiring'),
    say: (to, text) => device.say(to.conversation, text),
    close: () => device.close(),
  };
  return ending(connection, device.closed);
}

const socketio = (transport) => async (person) => {
  const line = await person.open('/', { transports: [transport] });
  const connection = {
    kind: transport,
    refresh: (token) => done(line, 'refresh-token', { token }),
    told: () => line.next('error', ({ message }) => message === 'token expiring'),
    say: (to, text) => done(line, 'send_message', { receiverId: to.doctor.id, content: text, messageType: 'text', clientMsgId: text }),
    close: () => line.close(),
  };
  return ending(connection, new Promise((end) => line.socket.once('disconnect', end)));
};

const KINDS = [native, socketio('websocket'), socketio('polling')];

/** A patient with a doctor to talk to. */
async function talk() {
  const [doctor, patient] = await cluster.clinics[0].pair();
  const { conversation } = await doctor.post('/api/v1/conversations', { kind: 'direct', member_ids: [patient.id] });
  return { doctor, patient, conversation: conversation.conversation_id };
}

/** A connection of each kind at every node, all with this token. */
function everywhere(person, token = person.token) {
  const places = cluster.clinics.map((clinic) => Object.assign(person.at(clinic), { token }));
  return Promise.all(places.flatMap((place) => KINDS.map((open) => open(place))));
}

/** All of them are closed for this reason, none later than this. */
async function areClosed(connections, code, since, within_ms, context) {
  await within(Promise.all(connections.map(({ over }) => over)), () => 'the end of all connections', SLOWLY_MS);
  const took = connections.map(({ at }) => at - since);
  context.diagnostic(`${connections.length} connections, the last closed after ${Math.round(Math.max(...took))} ms`);
  for (const { kind, how } of connections) assert.equal(how, kind === 'native' ? code : 'io server disconnect', kind);
  assert.ok(Math.max(...took) <= within_ms, `closed after ${took.map(Math.round)} ms`);
}

/** Nobody gets in with this token, anywhere and by any way. */
async function isRefused(person, token) {
  for (const clinic of cluster.clinics) {
    const place = Object.assign(person.at(clinic), { token });
    await assert.rejects(Device.open(place), /401|403/);
    for (const transports of [['websocket'], ['polling']]) await place.dial('/', { transports }).refusal();
    assert.ok([401, 403].includes((await place.ask('GET', '/api/v1/conversations')).status));
  }
}

async function allWork(connections, to) {
  await Promise.all(connections.map((connection) => connection.say(to, words())));
}

/** Does something to the patient's tokens; what was open is closed, and a bystander's is not. */
async function keepsOut({ method, path, body, code, within_ms, context }) {
  const [one, other] = [await talk(), await talk()];
  const [open, bystander] = [await everywhere(one.patient), await everywhere(other.patient)];
  await allWork(open, one);
  await allWork(bystander, other);
  const since = await command(method, path(one.patient), body(one.patient));
  await areClosed(open, code, since, within_ms, context);
  await isRefused(one.patient, one.patient.token);
  await allWork(bystander, other);
  for (const connection of bystander) connection.close();
  return one;
}

const revocation = (within_ms, context) => keepsOut({
  method: 'POST', path: () => 'revocations', body: ({ id }) => ({ user_id: id }), code: 4410, within_ms, context,
});

/** Made after whatever was revoked until now: a token tells its second only. */
const later = (person) => person.tokenWith({ iat: Math.floor(Date.now() / 1000) + 1 });

async function isLetIn(one, token) {
  const open = await everywhere(one.patient, token);
  await allWork(open, one);
  for (const connection of open) connection.close();
}

test('revoked: every connection of the user closes on every node, and a later token is good', async (context) => {
  const one = await revocation(CLOSED_WITHIN_MS, context);
  await isLetIn(one, later(one.patient));
});

test('blocked: every connection closes, no token is good, until the block is lifted', async (context) => {
  const path = ({ id }) => `users/${id}/block`;
  const one = await keepsOut({
    method: 'PUT', path, body: () => ({ reason: 'a test' }), code: 4411, within_ms: CLOSED_WITHIN_MS, context,
  });
  await isRefused(one.patient, later(one.patient));
  await command('DELETE', path(one.patient));
  await isLetIn(one, later(one.patient));
});

test('revoked by its id: the connections with that token close, those with another do not', async (context) => {
  const one = await talk();
  const [jti, token] = [words('id'), (claims) => one.patient.tokenWith(claims)];
  const open = await everywhere(one.patient, token({ jti }));
  const others = await everywhere(one.patient, token({ jti: words('id') }));
  const since = await command('POST', 'revocations', { token_id: jti });
  await areClosed(open, 4410, since, CLOSED_WITHIN_MS, context);
  await allWork(others, one);
  for (const connection of others) connection.close();
});

test('a token that runs out: told before, closed then, or refreshed and gone on with', async (context) => {
  const one = await talk();
  const ends = Math.floor(Date.now() / 1000) + SHORT_S;
  const short = one.patient.tokenWith({ exp: ends });
  const [open, kept] = [await everywhere(one.patient, short), await everywhere(one.patient, short)];
  await Promise.all([...open, ...kept].map((connection) => connection.told()));
  await Promise.all(kept.map((connection) => connection.refresh(one.patient.token)));
  const late = ends * 1000 - Date.now();
  assert.ok(late > 0, 'all of this takes less time than the token has');
  const since = performance.now() + late;
  await areClosed(open, 4402, since, NOTICED_WITHIN_MS, context);
  for (const { kind, at } of open) assert.ok(at >= since - 100, `${kind} was closed too early`);
  await allWork(kept, one);
  // The new token counts now, in this respect too.
  await areClosed(kept, 4410, await command('POST', 'revocations', { user_id: one.patient.id }), CLOSED_WITHIN_MS, context);
});

test('revoked while Redis is down: found in the store', async (context) => {
  if (!cluster.redis) return context.skip('a node that is alone has no Redis');
  await cluster.redis.kill();
  context.after(() => cluster.redis.start());
  await revocation(FOUND_WITHIN_MS, context);
});
