// What one native client was shown of a conversation, and what it has to be.

import assert from 'node:assert/strict';

/** The entries that came, live and by resuming, in the order in which they came. */
export const shown = (native, conversation) => native.heard
  .filter(({ conversation_id }) => conversation_id === conversation)
  .flatMap(({ type, seq, data }) => (type === 'sync.batch' ? data.events : seq ? [{ type, seq, data }] : []));

/**
 * All that it knows, with the answers to its own messages: {seq, type, data}. What was missing for
 * a while is filled with one's own entries among it, so by seq, as clients do it.
 */
export function known(native, conversation, replies) {
  const entries = new Map([...replies, ...shown(native, conversation)].map((entry) => [entry.seq, entry]));
  return [...entries.values()].sort((a, b) => a.seq - b.seq);
}

/** What came is ascending: nothing twice, nothing late. */
export function assertAscending(entries) {
  const seqs = entries.map(({ seq }) => seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), 'each once, in order');
}

export const texts = (entries) => entries.filter(({ type }) => type === 'message.created').map(({ data }) => data.text);

/** The whole log, as REST has it for this person. */
export async function stored(person, conversation) {
  const entries = [];
  for (let more = true; more;) {
    const page = await person.get(`/api/v1/conversations/${conversation}/messages?limit=200&after_seq=${entries.at(-1)?.seq ?? 0}`);
    entries.push(...page.events);
    more = page.has_more;
  }
  assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, i) => i + 1), 'a log has no holes');
  return entries;
}
