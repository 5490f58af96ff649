// Seed 000's `/agora`: what it gives is what Agora's own code makes of the same keys.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import agora from 'agora-token/src/AccessToken2.js';
import { Clinic } from './clinic.mjs';

const { AccessToken2, ServiceRtc } = agora;
const KEYS = { AGORA_APP_ID: '970CA35de60c44645bbae8a215061b33', AGORA_APP_CERTIFICATE: '5CFd2fd1755d40ecb72977518be15d3b' };

let clinic;
before(async () => {
  clinic = await Clinic.open(KEYS);
});
after(() => clinic?.close());

/** zlib packs the same bytes in more than one way. */
const inside = (token) => inflateSync(Buffer.from(token.slice(3), 'base64'));

test('a token is the one that Agora itself makes for that channel, person and time', async () => {
  const [doctor, patient] = await clinic.pair(['4711', '4712']);
  const { data } = await doctor.post('/consultations', { appointmentId: 1, type: 'VIDEO', patientId: 4712 });
  const { channelName } = await patient.post('/agora/channel', { consultationId: data.id });
  assert.equal(channelName, `consultation_${data.id}`);
  for (const [person, uid, role, privileges] of [
    [doctor, 4711, 'publisher', [1, 2, 3, 4]],
    [patient, 4712, undefined, [1, 2, 3, 4]],
    [patient, 4712, 'subscriber', [1]],
  ]) {
    const given = await person.post('/agora/token', { channelName, uid, role });
    assert.deepEqual({ ...given, token: '' }, { appId: KEYS.AGORA_APP_ID, channel: channelName, uid, token: '' });

    const read = new AccessToken2('', '', 0, 0);
    assert.ok(read.from_string(given.token), 'Agora reads it');
    assert.equal(String(read.appId), KEYS.AGORA_APP_ID);
    assert.ok(read.verifySignature(KEYS.AGORA_APP_CERTIFICATE), 'and believes it');
    assert.ok(Math.abs(read.issueTs - Date.now() / 1000) < 60);
    assert.equal(read.expire, 3600);

    const own = new AccessToken2(KEYS.AGORA_APP_ID, KEYS.AGORA_APP_CERTIFICATE, read.issueTs, 3600);
    own.salt = read.salt;
    const service = new ServiceRtc(channelName, uid);
    for (const privilege of privileges) service.add_privilege(privilege, 3600);
    own.add_service(service);
    assert.deepEqual(inside(given.token), inside(own.build()));
  }
});
