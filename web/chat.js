// The open conversation: its messages, and the box to write in.

import { ask, avatar, el, icon, iconButton, isolated, tNodes, toast } from './dom.js';
import { day, dayAndTime, number, t, time } from './i18n.js';
import { presenceOf, summary, titleOf } from './list.js';

const EMOJI = ['👍', '❤️', '🙏', '😊', '😮', '😢'];
/** Messages of one sender closer together than this stand together. */
const TOGETHER_MS = 5 * 60_000;
/** The server ends typing after 5 s; should that notice get lost, this does. */
const TYPING_MS = 6_500;
const NEAR_END_PX = 80;
const NEAR_START_PX = 200;
const TICKS = { pending: 'clock', sending: 'clock', confirm: 'alert', failed: 'alert', stored: 'check', delivered: 'checks', read: 'checks' };

export class ChatView {
  id = null;
  root = el('main', { class: 'chat' });
  #client;
  #close;
  #errorText;
  #drafts = new Map();
  #rows = new Map(); // by key: {node, signature}
  #mode = null; // {kind: 'edit' | 'reply', message}
  #typists = new Map(); // by user id: timer
  #dividerSeq = null; // the first message that was unread when the conversation was opened
  #newBelow = 0;
  #stuck = true; // to the end
  // A keyboard that opens, or the typing notice, must not push the newest message out of sight.
  #resized = new ResizeObserver(() => this.#stuck && this.#scroller && this.#toEnd());
  #menu = null;
  #head;
  #scroller;
  #list;
  #jump;
  #typing;
  #context;
  #input;
  #announcer = el('div', { class: 'unseen', role: 'log', 'aria-live': 'polite' });

  constructor(client, { close, errorText }) {
    this.#client = client;
    this.#close = close;
    this.#errorText = errorText;
    client.on('typing.changed', ({ conversation_id: id, data }) => id === this.id && this.#onTyping(data));
    client.on('message', ({ conversationId, message }) => conversationId === this.id && this.#onMessage(message));
    addEventListener('focus', () => this.#maybeRead());
    document.addEventListener('visibilitychange', () => this.#maybeRead());
    document.addEventListener('click', (event) => {
      if (this.#menu && !this.#menu.node.contains(event.target) && !this.#menu.button.contains(event.target)) this.#closeMenu();
    });
  }

  get #conversation() {
    return this.#client.conversations.get(this.id);
  }

  open(id) {
    if (id === this.id) return;
    if (this.id) {
      this.#client.stopTyping();
      this.#client.unsubscribe(this.id);
    }
    for (const timer of this.#typists.values()) clearTimeout(timer);
    this.#typists.clear();
    this.#mode = null;
    this.#newBelow = 0;
    this.id = id;
    if (id) {
      const { me } = this.#conversation;
      this.#dividerSeq = me.unread_count ? me.read_up_to_seq + 1 : null;
      this.#client.subscribe(id);
    }
    this.redraw();
  }

  focus() {
    // On a phone the keyboard would hide what was just opened.
    if (matchMedia('(pointer: fine)').matches && this.#input && !this.#input.disabled) this.#input.focus();
    else this.root.querySelector('.chat-head button, .chat-title')?.focus();
  }

  // --- The frame --------------------------------------------------------------------------

  redraw() {
    const scrolledBy = this.#scroller && !this.#atEnd() ? this.#scroller.scrollTop : null;
    this.#rows.clear();
    this.#menu = null;
    if (!this.#conversation) {
      this.#scroller = null;
      this.root.replaceChildren(el('div', { class: 'empty' }, icon('chat'), el('strong', {}, t('pickOne')), el('span', {}, t('pickOneHint'))));
      return;
    }
    this.#head = el('header', { class: 'chat-head' });
    this.#list = el('ol', { class: 'messages', 'aria-label': t('messages'), onkeydown: (event) => this.#onListKey(event) });
    this.#scroller = el('div', { class: 'scroller', tabindex: '-1', onscroll: () => this.#onScroll() }, this.#list);
    this.#jump = el('button', { type: 'button', class: 'jump', hidden: true, onclick: () => this.#toEnd() });
    this.#typing = el('div', { class: 'typing', 'data-testid': 'typing', hidden: true });
    this.#context = el('div', { class: 'context', hidden: true });
    this.#resized.disconnect();
    this.#resized.observe(this.#scroller);
    this.root.replaceChildren(this.#head, this.#scroller, this.#jump, this.#announcer, this.#typing, this.#composer());
    this.draw();
    this.#drawTyping();
    this.#drawContext();
    if (scrolledBy === null) this.#toEnd();
    else this.#scroller.scrollTop = scrolledBy;
  }

  #composer() {
    this.#input = el('textarea', {
      rows: 1, 'data-testid': 'composer', 'aria-label': t('composer'), placeholder: t('composerHint'), enterkeyhint: 'send',
      oninput: () => this.#onInput(), onkeydown: (event) => this.#onKey(event),
    });
    this.#input.value = this.#mode?.kind === 'edit' ? this.#mode.message.text : this.#drafts.get(this.id) ?? '';
    return el('form', { class: 'composer', onsubmit: (event) => {
      event.preventDefault();
      this.#submit();
    } },
    this.#context,
    el('p', { class: 'read-only', 'data-testid': 'read-only', hidden: true }, t('readOnly')),
    el('div', { class: 'composer-row' }, this.#input,
      el('button', { type: 'submit', class: 'send', 'data-testid': 'send', 'aria-label': t('send'), title: t('send') }, icon('send'))));
  }

  draw() {
    const conversation = this.#conversation;
    if (!conversation) {
      if (this.id) { // taken away from us
        this.id = null;
        this.#close();
      }
      return;
    }
    if (!this.#scroller) return;
    this.drawHead();
    const composer = this.root.querySelector('.composer');
    composer.classList.toggle('closed', !conversation.writable);
    composer.querySelector('.read-only').hidden = conversation.writable;
    this.#input.disabled = !conversation.writable;
    composer.querySelector('.send').disabled = !conversation.writable;
    this.#fit();

    const atEnd = this.#atEnd();
    const anchor = [...this.#list.children].find((row) => row.offsetTop + row.offsetHeight > this.#scroller.scrollTop);
    const anchorTop = anchor?.offsetTop ?? 0;
    this.#drawRows(conversation);
    if (atEnd) this.#toEnd();
    else if (anchor?.isConnected) this.#scroller.scrollTop += anchor.offsetTop - anchorTop; // older ones came in above
    this.#drawJump();
    this.#maybeRead();
    this.#maybeOlder();
  }

  drawHead() {
    const conversation = this.#conversation;
    if (!conversation || !this.#head) return;
    const { peer } = conversation;
    const title = titleOf(conversation);
    const presence = presenceOf(this.#client, conversation);
    const signature = [title, presence ?? '', this.#presenceText(conversation)].join('\n');
    if (this.#head.dataset.signature === signature) return;
    this.#head.dataset.signature = signature;
    this.#head.replaceChildren(
      iconButton('back', t('back'), { class: 'icon-button flip back', 'data-testid': 'back', onclick: () => this.#close() }),
      avatar(peer?.user_id ?? conversation.id, title, presence),
      el('div', { class: 'person-text' },
        el('h2', { class: 'chat-title', tabindex: '-1' }, isolated(title)),
        el('span', { class: 'detail', 'data-testid': 'presence', 'data-presence': presence }, this.#presenceText(conversation))));
  }

  #presenceText(conversation) {
    const { peer } = conversation;
    if (!peer) return `${t(`kind_${conversation.kind}`)} · ${t('members', { n: conversation.members.length })}`;
    const role = peer.roles.map((r) => t(`role_${r}`)).join(', ');
    const presence = this.#client.presence.get(peer.user_id);
    if (!presenceOf(this.#client, conversation)) return role;
    let text = t('presenceOffline');
    if (presence?.online) text = t({ available: 'presenceOnline', busy: 'presenceBusy', away: 'presenceAway' }[presence.status]);
    else if (presence?.last_seen_at) text = t('lastSeen', { time: dayAndTime(presence.last_seen_at) });
    return role ? `${role} · ${text}` : text;
  }

  // --- The rows ---------------------------------------------------------------------------

  #drawRows(conversation) {
    const wanted = [];
    const add = (key, facts, build) => wanted.push({ key, signature: JSON.stringify(facts), build });
    const messages = this.#client.messages(this.id);
    if (!conversation.complete) add('older', [], () => el('li', { class: 'note' }, t('older')));
    else if (messages[0]?.change !== 'created') add('start', [], () => el('li', { class: 'note' }, t('start')));
    let lastDay = null;
    let before = null;
    for (const message of messages) {
      const at = message.created_at ?? message.composed_at ?? message.at;
      const ofDay = day(at);
      if (ofDay !== lastDay) {
        add(`day ${new Date(at).toDateString()}`, [ofDay], () => el('li', { class: 'day' }, el('span', {}, ofDay)));
        lastDay = ofDay;
        before = null;
      }
      if (this.#dividerSeq && message.seq >= this.#dividerSeq && message.sender_id !== this.#client.userId && !message.change) {
        if (!wanted.some((row) => row.key === 'divider')) add('divider', [], () => el('li', { class: 'divider' }, el('span', {}, t('newDivider'))));
      }
      if (message.change) {
        const text = this.#changeText(conversation, message);
        if (text) add(`seq ${message.seq}`, [text.map((part) => part.textContent ?? part)], () => el('li', { class: 'note', 'data-seq': message.seq }, text));
        before = null;
        continue;
      }
      const facts = this.#facts(conversation, message, before, at);
      const key = facts.mine && message.client_msg_id ? message.client_msg_id : `seq ${message.seq}`;
      add(key, facts, () => this.#message(conversation, message, facts));
      before = { sender: message.sender_id, at };
    }
    this.#place(wanted);
  }

  /** Makes the list show these rows, touching only what differs: focus and menus stay. */
  #place(wanted) {
    const rows = new Map();
    let next = this.#list.firstChild;
    for (const { key, signature, build } of wanted) {
      const old = this.#rows.get(key);
      let row = old;
      if (old?.signature !== signature) {
        row = { node: build(), signature };
        if (old) this.#replace(old.node, row.node);
        if (next === old?.node) next = row.node;
      }
      rows.set(key, row);
      if (row.node === next) next = next.nextSibling;
      else this.#list.insertBefore(row.node, next);
    }
    for (const [key, { node }] of this.#rows) if (!rows.has(key)) node.remove();
    this.#rows = rows;
  }

  #replace(old, now) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const open = this.#menu && old.contains(this.#menu.node);
    old.replaceWith(now);
    if (open) this.#closeMenu();
    if (!focused) return;
    const action = focused.dataset.action ?? focused.closest('[data-action]')?.dataset.action;
    ((action && now.querySelector(`[data-action="${action}"]`)) || now).focus();
  }

  #name(conversation, userId) {
    if (userId === this.#client.userId) return t('you');
    return conversation.members.find((m) => m.user_id === userId)?.name || (userId ? t('someone') : t('system'));
  }

  #facts(conversation, message, before, at) {
    const mine = message.sender_id !== undefined && message.sender_id === this.#client.userId;
    const stored = message.seq !== undefined;
    const answered = message.reply_to_seq && conversation.messages.get(message.reply_to_seq);
    return {
      mine,
      status: mine ? (stored ? conversation.statusOf(message) : message.status) : 'received',
      seq: message.seq,
      text: message.text,
      deleted: Boolean(message.deleted_at),
      edited: Boolean(message.edited_at),
      reactions: message.reactions ?? [],
      attachments: message.attachments ?? [],
      answered: answered ? [this.#name(conversation, answered.sender_id), summary(answered)] : null,
      name: this.#name(conversation, message.sender_id),
      showName: !mine && conversation.kind !== 'direct' && before?.sender !== message.sender_id,
      together: before?.sender === message.sender_id && Date.parse(at) - Date.parse(before.at) < TOGETHER_MS,
      composed: message.composed_at && stored ? message.composed_at : null,
      at,
      error: message.error?.code,
      writable: conversation.writable,
    };
  }

  #message(conversation, message, facts) {
    const { mine, status, seq, deleted } = facts;
    const classes = ['message', mine ? 'mine' : 'theirs', facts.together && 'together', deleted && 'deleted'];
    const body = deleted
      ? el('p', { class: 'text tombstone' }, t('deleted'))
      : message.text && el('p', { class: 'text', dir: 'auto', 'data-testid': 'text' }, message.text);
    return el('li', {
      class: classes.filter(Boolean).join(' '), 'data-testid': 'message', 'data-seq': seq, 'data-status': status,
      'data-client-msg-id': message.client_msg_id, tabindex: '-1',
    },
    el('div', { class: 'bubble' },
      el('span', { class: 'unseen' }, `${facts.name}:`),
      facts.showName && el('span', { class: 'sender', 'aria-hidden': 'true' }, isolated(facts.name)),
      facts.answered && el('div', { class: 'quote' }, el('span', { class: 'sender' }, isolated(facts.answered[0])), isolated(facts.answered[1])),
      body,
      facts.attachments.map((file) => this.#attachment(file)),
      el('div', { class: 'meta' },
        facts.edited && !deleted && el('span', { 'data-testid': 'edited' }, t('edited')),
        facts.composed
          ? el('span', { 'data-testid': 'composed' }, t('writtenReceived', { written: dayAndTime(facts.composed), received: time(facts.at) }))
          : el('time', { datetime: facts.at }, time(facts.at)),
        mine && !deleted && el('span', { class: `ticks ${status}` }, icon(TICKS[status], t(status)))),
      seq !== undefined && !deleted && conversation.writable && this.#menuButton(message)),
    this.#reactions(message, conversation),
    mine && (status === 'failed' || status === 'confirm') && this.#unsent(message));
  }

  #attachment({ url, name, media_type: type }) {
    const safe = /^https:\/\//i.test(url);
    const label = [el('bdi', {}, name || t('attachment')), type && el('small', {}, type)];
    return safe ? el('a', { class: 'attachment', href: url, target: '_blank', rel: 'noopener noreferrer' }, label) : el('span', { class: 'attachment' }, label);
  }

  #reactions(message, conversation) {
    if (!message.reactions?.length || message.deleted_at) return null;
    return el('div', { class: 'reactions' }, message.reactions.map(({ emoji, user_ids: people }) => {
      const own = people.includes(this.#client.userId);
      return el('button', {
        type: 'button', class: 'reaction', 'data-testid': 'reaction', 'data-emoji': emoji, 'data-action': `reaction ${emoji}`,
        'aria-pressed': String(own), disabled: !conversation.writable, 'aria-label': t('reactions', { n: people.length, emoji }),
        onclick: () => this.#try(this.#client.react(this.id, message.seq, emoji, !own)),
      }, el('span', {}, emoji), people.length > 1 && el('span', { class: 'count' }, number(people.length)));
    }));
  }

  #unsent(message) {
    const id = message.client_msg_id;
    const asking = message.status === 'confirm';
    const reason = asking ? t('confirmText', { time: dayAndTime(message.composed_at) }) : this.#errorText(message.error ?? {});
    return el('div', { class: 'unsent', 'data-testid': asking ? 'confirm' : 'failure' },
      el('p', {}, reason),
      el('button', { type: 'button', class: 'text-button', 'data-testid': asking ? 'confirm-send' : 'retry', onclick: () => this.#client.retry(id) }, t(asking ? 'sendNow' : 'retry')),
      el('button', { type: 'button', class: 'text-button', 'data-testid': 'discard', onclick: () => this.#client.discard(id) }, t('discard')));
  }

  #changeText(conversation, { change, user_id: userId, title, state }) {
    const key = change === 'state' ? `change_${state}` : `change_${change}`;
    if (t(key) === key) return null; // a change of a later version
    return tNodes(key, { name: isolated(this.#name(conversation, userId)), title: isolated(title ?? '') });
  }

  // --- The menu of one message ------------------------------------------------------------

  #menuButton(message) {
    const button = iconButton('more', t('actions'), {
      class: 'icon-button menu-button', 'data-testid': 'actions', 'data-action': 'menu', 'aria-haspopup': 'menu', 'aria-expanded': 'false',
      onclick: () => (this.#menu?.button === button ? this.#closeMenu() : this.#openMenu(button, message)),
    });
    return button;
  }

  #openMenu(button, message) {
    this.#closeMenu();
    const mine = message.sender_id === this.#client.userId;
    const age = Date.now() - Date.parse(message.created_at);
    const item = (name, label, run) => el('button', {
      type: 'button', role: 'menuitem', tabindex: '-1', 'data-testid': `action-${name}`,
      onclick: () => {
        this.#closeMenu(true);
        run();
      },
    }, icon({ delete: 'trash' }[name] ?? name), label);
    const node = el('div', { class: 'menu', role: 'menu', 'aria-label': t('actions'), onkeydown: (event) => this.#onMenuKey(event) },
      el('div', { class: 'emoji', role: 'group' }, EMOJI.map((emoji) => {
        const own = message.reactions?.some((r) => r.emoji === emoji && r.user_ids.includes(this.#client.userId)) ?? false;
        return el('button', {
          type: 'button', role: 'menuitemcheckbox', tabindex: '-1', 'aria-checked': String(own), 'aria-label': t('reactWith', { emoji }),
          'data-testid': 'emoji', 'data-emoji': emoji,
          onclick: () => {
            this.#closeMenu(true);
            this.#try(this.#client.react(this.id, message.seq, emoji, !own));
          },
        }, emoji);
      })),
      item('reply', t('reply'), () => this.#setMode('reply', message)),
      message.text && item('copy', t('copy'), () => navigator.clipboard?.writeText(message.text).catch(() => {})),
      mine && message.type === 'text' && age < (this.#client.limits.edit_window_ms ?? 0) && item('edit', t('edit'), () => this.#setMode('edit', message)),
      mine && item('delete', t('delete'), () => this.#delete(message)));
    const room = this.#scroller.getBoundingClientRect();
    if (button.getBoundingClientRect().top > room.top + room.height / 2) node.classList.add('above');
    button.after(node);
    button.setAttribute('aria-expanded', 'true');
    this.#menu = { node, button };
    node.querySelector('button').focus({ preventScroll: true });
  }

  #closeMenu(refocus = false) {
    if (!this.#menu) return;
    const { node, button } = this.#menu;
    this.#menu = null;
    node.remove();
    button.setAttribute('aria-expanded', 'false');
    if (refocus) button.focus({ preventScroll: true });
  }

  #onMenuKey(event) {
    const items = [...this.#menu.node.querySelectorAll('button')];
    const at = items.indexOf(document.activeElement);
    const sideways = document.documentElement.dir === 'rtl' ? -1 : 1;
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: sideways, ArrowLeft: -sideways }[event.key];
    if (event.key === 'Escape') this.#closeMenu(true);
    else if (event.key === 'Tab') this.#closeMenu();
    else if (step) items[(at + step + items.length) % items.length].focus();
    else return;
    event.stopPropagation();
    if (event.key !== 'Tab') event.preventDefault();
  }

  async #delete(message) {
    if (await ask(t('deleteAsk'), t('delete'))) this.#try(this.#client.remove(this.id, message.seq));
  }

  async #try(promise) {
    try {
      await promise;
    } catch (fault) {
      toast(this.#errorText(fault));
    }
  }

  // --- Writing ----------------------------------------------------------------------------

  #setMode(kind, message) {
    if (this.#mode?.kind === 'edit') this.#input.value = this.#drafts.get(this.id) ?? '';
    this.#mode = { kind, message };
    if (kind === 'edit') this.#input.value = message.text;
    this.#drawContext();
    this.#fit();
    this.#input.focus();
  }

  #endMode() {
    if (this.#mode?.kind === 'edit') this.#input.value = this.#drafts.get(this.id) ?? '';
    this.#mode = null;
    this.#drawContext();
    this.#fit();
    this.#input.focus();
  }

  #drawContext() {
    const mode = this.#mode;
    this.#context.hidden = !mode;
    if (!mode) return;
    const title = mode.kind === 'edit' ? t('editing') : tNodes('replyingTo', { name: isolated(this.#name(this.#conversation, mode.message.sender_id)) });
    this.#context.replaceChildren(icon(mode.kind), el('div', {}, el('strong', {}, title), el('span', {}, isolated(summary(mode.message)))),
      iconButton('close', t('cancel'), { 'data-testid': 'cancel-mode', onclick: () => this.#endMode() }));
  }

  #onInput() {
    this.#fit();
    if (this.#mode?.kind === 'edit') return;
    this.#drafts.set(this.id, this.#input.value);
    if (this.#input.value.trim()) this.#client.typing(this.id);
    else this.#client.stopTyping();
  }

  /** As high as the text, up to what the style allows. */
  #fit() {
    // As what is written goes; the placeholder goes as the page does.
    this.#input.dir = this.#input.value ? 'auto' : '';
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  #onKey(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'Escape') {
      if (this.#mode) this.#endMode();
      else this.#close();
    } else if (event.key === 'ArrowUp' && !this.#input.value) {
      event.preventDefault();
      [...this.#list.querySelectorAll('.message')].at(-1)?.focus();
    }
  }

  async #submit() {
    const text = this.#input.value.trim();
    if (!text || !this.#conversation?.writable) return;
    if (new TextEncoder().encode(text).length > (this.#client.limits.text_bytes_max ?? Infinity)) {
      toast(t('error_too_large'));
      return;
    }
    const mode = this.#mode;
    if (mode?.kind === 'edit') {
      this.#endMode();
      if (text !== mode.message.text) await this.#try(this.#client.edit(this.id, mode.message.seq, text));
      return;
    }
    this.#client.send({ conversationId: this.id, text, replyToSeq: mode?.message.seq });
    this.#drafts.delete(this.id);
    this.#input.value = '';
    this.#dividerSeq = null;
    this.#endMode();
    this.draw();
    this.#toEnd();
  }

  // --- What others do ---------------------------------------------------------------------

  #onMessage(message) {
    if (message.sender_id === this.#client.userId) return;
    this.#onTyping({ user_id: message.sender_id, typing: false });
    if (!this.#atEnd()) this.#newBelow += 1;
    const line = t('said', { name: this.#name(this.#conversation, message.sender_id), text: message.text });
    this.#announcer.append(el('p', {}, line));
    while (this.#announcer.children.length > 5) this.#announcer.firstChild.remove();
  }

  #onTyping({ user_id: userId, typing }) {
    if (userId === this.#client.userId) return;
    clearTimeout(this.#typists.get(userId));
    this.#typists.delete(userId);
    if (typing) {
      this.#typists.set(userId, setTimeout(() => {
        this.#typists.delete(userId);
        this.#drawTyping();
      }, TYPING_MS));
    }
    this.#drawTyping();
  }

  #drawTyping() {
    if (!this.#scroller) return;
    const who = [...this.#typists.keys()];
    this.#typing.hidden = !who.length;
    this.#typing.replaceChildren(...(who.length
      ? [el('span', { class: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i')),
        el('span', {}, who.length > 1 ? t('typingMany') : tNodes('typingOne', { name: isolated(this.#name(this.#conversation, who[0])) }))]
      : []));
  }

  // --- Scrolling and reading --------------------------------------------------------------

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#stuck = true;
    this.#newBelow = 0;
    this.#drawJump();
    this.#maybeRead();
  }

  #onScroll() {
    this.#stuck = this.#atEnd();
    if (this.#stuck) this.#newBelow = 0;
    this.#drawJump();
    this.#maybeRead();
    this.#maybeOlder();
  }

  #drawJump() {
    this.#jump.hidden = this.#atEnd();
    this.#jump.replaceChildren(icon('down'), el('span', { class: this.#newBelow ? '' : 'unseen' }, t('newBelow', { n: this.#newBelow })));
  }

  /** Read is what was on the screen of someone who looks at it. */
  #maybeRead() {
    if (this.id && this.#scroller && !document.hidden && document.hasFocus() && this.#atEnd()) this.#client.markRead(this.id);
  }

  #maybeOlder() {
    if (!this.id || this.#scroller.scrollTop > NEAR_START_PX || this.#conversation.complete) return;
    this.#client.loadOlder(this.id).catch(() => {}); // the next scroll, or the next connection, tries again
  }

  #onListKey(event) {
    const row = event.target.closest('.message');
    if (!row || event.target !== row) return;
    const rows = [...this.#list.querySelectorAll('.message')];
    const at = rows.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      (rows[to] ?? (to > 0 ? this.#input : row)).focus();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      row.querySelector('.menu-button')?.click();
    } else if (event.key === 'Escape') {
      this.#input.focus();
    }
  }
}
