// A ring on a busy machine says now and then that it cannot just now. Clients are told to send the
// same again, which must be safe; so the tests do.

import { Native } from '../clients/native.mjs';

/** For a process on a busy machine. */
export const SLOWLY_MS = 60_000;
const PAUSE_MS = 100;

export const isLater = (code) => code === 'unavailable' || code === 'rate_limited';

/** Asks until the answer is another than "later", and returns it. */
export async function patiently(ask, isNotYet) {
  for (const until = Date.now() + SLOWLY_MS; ;) {
    const answer = await ask();
    if (!isNotYet(answer) || Date.now() > until) return answer;
    await new Promise((wake) => setTimeout(wake, PAUSE_MS));
  }
}

/** A native client that sends again what could not be done at once. */
export class Device extends Native {
  /** How often it had to. */
  again = 0;

  async command(type, data) {
    const { answer, fault } = await patiently(
      () => super.command(type, data).then((done) => ({ answer: done }), (failed) => ({ fault: failed })),
      (outcome) => isLater(outcome.fault?.code) && (this.again += 1),
    );
    if (fault) throw fault;
    return answer;
  }

  /** Says something under an id of its own. */
  say(conversation, text) {
    return this.command('message.send', { conversation_id: conversation, text, client_msg_id: text });
  }
}

/** The same for an event of a Socket.IO client. */
export async function done(line, event, payload) {
  const ack = await patiently(() => line.ask(event, payload), ({ error }) => isLater(error?.code));
  if (!ack.ok) throw new Error(`${event}: ${JSON.stringify(ack)}`);
}
