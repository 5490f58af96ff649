// The list of conversations, the liveliest first.

import { avatar, el, icon, isolated, tNodes } from './dom.js';
import { number, t, when } from './i18n.js';

/** What to call a conversation. */
export function titleOf(conversation) {
  const { peer } = conversation;
  return peer ? peer.name || peer.user_id : conversation.title || t(`kind_${conversation.kind}`);
}

/** online, busy, away or offline; nothing where there is no one person, or no news of them. */
export function presenceOf(client, conversation) {
  if (!conversation.peer || conversation.state === 'read_only' || client.state !== 'online') return null;
  const presence = client.presence.get(conversation.peer.user_id);
  if (!presence?.online) return 'offline';
  return presence.status === 'available' ? 'online' : presence.status;
}

/** One line about what a message says. */
export function summary(message) {
  if (message.deleted_at) return t('deleted');
  return message.text || message.attachments?.[0]?.name || t('attachment');
}

export class ListView {
  #client;
  #open;
  #current = null;
  #soon = null;
  #signatures = new Map();
  root = el('ul', { class: 'conversations', onkeydown: (event) => this.#onKey(event) });

  constructor(client, open) {
    this.#client = client;
    this.#open = open;
  }

  mark(conversationId) {
    this.#current = conversationId;
    this.draw();
  }

  focus() {
    (this.root.querySelector('[aria-current]') ?? this.root.querySelector('button'))?.focus();
  }

  /** Everything again, in another language. */
  redraw() {
    this.#signatures.clear();
    this.draw();
  }

  drawSoon(also) {
    this.#soon ??= requestAnimationFrame(() => {
      this.#soon = null;
      this.draw();
      also();
    });
  }

  draw() {
    const latest = (c) => this.#unsent(c).at(-1)?.composed_at ?? c.last_activity_at;
    const sorted = [...this.#client.conversations.values()].sort((a, b) =>
      Number(b.me.pinned) - Number(a.me.pinned) || latest(b).localeCompare(latest(a)));
    const before = new Map([...this.root.children].map((row) => [row.dataset.id, row]));
    const rows = sorted.map((conversation) => {
      const facts = this.#facts(conversation);
      const signature = JSON.stringify(facts);
      const old = before.get(conversation.id);
      if (old && this.#signatures.get(conversation.id) === signature) return old;
      this.#signatures.set(conversation.id, signature);
      return this.#row(conversation, facts);
    });
    if (!rows.length) rows.push(el('li', { class: 'empty' }, icon('chat'), el('strong', {}, t('noConversations')), el('span', {}, t('noConversationsHint'))));
    const focused = document.activeElement?.closest?.('.conversations li')?.dataset.id;
    if (rows.length !== this.root.children.length || rows.some((row, i) => row !== this.root.children[i])) {
      this.root.replaceChildren(...rows);
      if (focused && !this.root.contains(document.activeElement)) this.#button(focused)?.focus();
    }
  }

  #button(id) {
    return [...this.root.children].find((row) => row.dataset.id === id)?.querySelector('button');
  }

  #unsent(conversation) {
    return this.#client.messages(conversation.id).filter((m) => m.seq === undefined);
  }

  #facts(conversation) {
    const unsent = this.#unsent(conversation);
    const last = unsent.at(-1) ?? conversation.last_message;
    return {
      title: titleOf(conversation),
      presence: presenceOf(this.#client, conversation),
      unread: conversation.me.unread_count,
      text: last ? summary(last) : '',
      mine: last?.sender_id === this.#client.userId,
      at: when(last?.created_at ?? last?.composed_at ?? conversation.last_activity_at),
      stuck: unsent.some((m) => m.status === 'failed' || m.status === 'confirm'),
      current: conversation.id === this.#current,
    };
  }

  #row({ id, peer, kind }, facts) {
    const unread = facts.unread > 0;
    return el('li', { 'data-id': id },
      el('button', {
        type: 'button', class: unread ? 'conversation unread' : 'conversation', 'data-testid': `conversation-${id}`,
        'data-user': peer?.user_id, 'data-unread': facts.unread, 'aria-current': facts.current ? 'true' : null, onclick: () => this.#open(id),
      },
      avatar(peer?.user_id ?? id, facts.title, facts.presence),
      el('span', { class: 'conversation-text' },
        el('span', { class: 'line' }, el('span', { class: 'name' }, isolated(facts.title)), el('span', { class: 'at' }, facts.at)),
        el('span', { class: 'line' },
          el('span', { class: 'last' }, facts.text
            ? (facts.mine ? tNodes('youSaid', { text: isolated(facts.text) }) : isolated(facts.text))
            : t(`kind_${kind}`)),
          facts.stuck && icon('alert', t('unsentMark')),
          unread && el('span', { class: 'badge' }, el('span', { 'aria-hidden': 'true' }, facts.unread > 99 ? `${number(99)}+` : number(facts.unread)),
            el('span', { class: 'unseen' }, t('unread', { n: facts.unread })))),
        facts.presence && facts.presence !== 'offline' && el('span', { class: 'unseen' }, t(`presence${facts.presence[0].toUpperCase()}${facts.presence.slice(1)}`)))));
  }

  #onKey(event) {
    const buttons = [...this.root.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  }
}
