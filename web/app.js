// Puts the page together: sign-in, then the list of conversations beside the open one.

import { BedsideClient } from './bedside-client.js';
import { ChatView } from './chat.js';
import { avatar, el, icon, iconButton, isolated, openDialog, roleText, toast } from './dom.js';
import { currentLanguage, has, otherLanguage, setLanguage, startLanguage, t } from './i18n.js';
import { ListView } from './list.js';
import * as session from './session.js';

const app = document.getElementById('app');
const THEME_KEPT_AS = 'bedside-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** Draws the present screen again; a change of language or theme calls it. */
let draw = () => {};

function theme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light');
}

function settingsButtons() {
  const other = theme() === 'dark' ? 'light' : 'dark';
  return [
    el('button', {
      type: 'button', class: 'text-button', lang: otherLanguage(), 'data-testid': 'lang',
      onclick: () => {
        setLanguage(otherLanguage());
        draw();
        document.querySelector('[data-testid=lang]')?.focus();
      },
    }, t('language')),
    iconButton(other === 'dark' ? 'moon' : 'sun', t(other === 'dark' ? 'toDark' : 'toLight'), {
      'data-testid': 'theme',
      onclick: () => {
        document.documentElement.dataset.theme = other;
        try {
          localStorage.setItem(THEME_KEPT_AS, other);
        } catch { /* lasts as long as the page */ }
        draw();
        document.querySelector('[data-testid=theme]')?.focus();
      },
    }),
  ];
}

const brand = () => el('div', { class: 'brand' }, el('img', { src: 'icon.svg', alt: '', width: 32, height: 32 }), el('span', {}, 'Bedside'));

const errorText = (fault) => t(has(`error_${fault.code}`) ? `error_${fault.code}` : 'error_other');

// --- Sign-in --------------------------------------------------------------------------------

async function showSignIn(note) {
  document.title = 'Bedside';
  let demo = null;
  let unreachable = false;
  draw = () => app.replaceChildren(
    el('main', { class: 'sign-in' },
      el('div', { class: 'sign-in-settings' }, settingsButtons()),
      el('div', { class: 'card' },
        brand(),
        el('p', { class: 'tagline' }, t('tagline')),
        note && el('p', { class: 'note', role: 'status' }, t(note)),
        unreachable && el('div', { class: 'note', role: 'alert' }, el('p', {}, t('unreachable')),
          el('button', { type: 'button', class: 'button quiet', onclick: load }, t('tryNow'))),
        demo?.enabled && demoUsers(demo.users),
        demo && !demo.enabled && tokenForm())),
  );
  const load = async () => {
    try {
      demo = await session.demo();
      unreachable = false;
    } catch {
      unreachable = true;
    }
    draw();
  };
  draw();
  await load();
}

function demoUsers(users) {
  const signIn = async (userId) => {
    try {
      showMain(await session.demoSignIn(userId));
    } catch {
      toast(t('unreachable'));
    }
  };
  return [
    el('h1', {}, t('signInTitle')),
    el('ul', { class: 'people' }, users.map((user) => el('li', {},
      el('button', { type: 'button', class: 'person', 'data-testid': `demo-user-${user.user_id}`, onclick: () => signIn(user.user_id) },
        avatar(user.user_id, user.name),
        el('span', { class: 'person-text' }, el('span', { class: 'name' }, isolated(user.name)),
          el('span', { class: 'detail' }, roleText(user.roles))))))),
    el('p', { class: 'hint' }, t('signInNote')),
  ];
}

function tokenForm() {
  const input = el('input', { id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, dir: 'ltr', 'data-testid': 'token' });
  return el('form', {
    class: 'token-form',
    onsubmit: (event) => {
      event.preventDefault();
      showMain(session.keep({ token: input.value.trim() }));
    },
  },
  el('h1', {}, t('tokenTitle')),
  el('label', { for: 'token' }, t('tokenLabel')),
  input,
  el('p', { class: 'hint' }, t('tokenNote')),
  el('button', { type: 'submit', class: 'button', 'data-testid': 'token-sign-in' }, t('signIn')));
}

// --- Conversations --------------------------------------------------------------------------

function showMain(signedIn) {
  const url = new URL('ws', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.search = '';
  url.hash = '';
  const client = new BedsideClient({ url: url.href, getToken: session.getToken, userId: signedIn.user?.user_id });
  const banner = el('div', { class: 'connection', role: 'status', 'data-testid': 'connection' });
  const list = new ListView(client, open);
  const chat = new ChatView(client, { close: () => open(null), errorText });
  let frame = el('div');
  let ended = false;

  // The conversation on screen is in the history of the tab: a phone's back button closes it,
  // and a reload opens it again.
  let onBack = null; // what is to be done once `history.back` has happened
  const remember = (id) => history[history.state?.open ? 'replaceState' : 'pushState']({ open: id }, '');
  function open(conversationId) {
    show(conversationId);
    if (onBack) {
      onBack = () => conversationId && remember(conversationId);
    } else if (conversationId) {
      remember(conversationId);
    } else if (history.state?.open) {
      onBack = () => {};
      history.back();
    }
  }
  addEventListener('popstate', () => {
    const then = onBack;
    onBack = null;
    if (then) then();
    else if (!ended) show(history.state?.open ?? null);
  });
  function reopen() {
    if (!chat.id && history.state?.open && !onBack) show(history.state.open);
  }

  function show(id) {
    const conversationId = client.conversations.has(id) ? id : null;
    chat.open(conversationId);
    list.mark(conversationId);
    frame.dataset.pane = conversationId ? 'chat' : 'list';
    if (conversationId) chat.focus();
    else list.focus();
  }

  async function newChat() {
    const people = el('ul', { class: 'people', 'aria-busy': 'true' });
    const dialog = openDialog(t('contacts'), people);
    let contacts;
    try {
      contacts = await session.contacts();
    } catch {
      dialog.close();
      toast(t('error_disconnected'));
      return;
    }
    const choose = async (userId) => {
      dialog.close();
      try {
        open((await client.openDirect(userId)).id);
      } catch (fault) {
        toast(errorText(fault));
      }
    };
    people.removeAttribute('aria-busy');
    people.append(...contacts.map((person) => el('li', {},
      el('button', { type: 'button', class: 'person', 'data-testid': `contact-${person.user_id}`, onclick: () => choose(person.user_id) },
        avatar(person.user_id, person.name, person.online && 'online'),
        el('span', { class: 'person-text' }, el('span', { class: 'name' }, isolated(person.name || person.user_id)),
          el('span', { class: 'detail' }, roleText(person.roles)))))));
    if (!contacts.length) people.append(el('li', { class: 'hint' }, t('noContacts')));
    people.querySelector('button')?.focus();
  }

  function end(note) {
    if (ended) return;
    ended = true;
    session.forget();
    chat.open(null);
    history.replaceState(null, '');
    clearInterval(countdown);
    showSignIn(note);
  }

  // --- The state of the connection, in words.
  let state = { state: client.state };
  let retryAt = 0;
  let countdown = null;
  let calm = null;
  function drawBanner() {
    const { state: name, attempt, reason } = state;
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000));
    let text = t(name);
    if (name === 'reconnecting') text = t('reconnecting', { n: Math.max(1, seconds) });
    if (name === 'connecting' && attempt > 0) text = t('reconnectingNow');
    if (name === 'offline' && reason === 'replaced') text = t('replaced');
    const waiting = name === 'reconnecting' || name === 'offline';
    banner.dataset.state = name;
    // The countdown is for the eye; spoken every second it would drown everything else.
    banner.replaceChildren(icon(name === 'online' ? 'check' : 'alert'), el('span', { 'aria-live': name === 'reconnecting' ? 'off' : null }, text),
      waiting ? el('button', { type: 'button', class: 'text-button', onclick: () => client.connect() }, t('tryNow')) : '');
  }
  client.on('state', (detail) => {
    const wasLost = state.attempt > 0 && state.state !== 'online';
    state = detail;
    retryAt = Date.now() + (detail.delay ?? 0);
    clearInterval(countdown);
    if (detail.state === 'reconnecting') countdown = setInterval(drawBanner, 1_000);
    if (detail.state === 'signed_out') {
      end(detail.reason === 'sign_out' ? undefined : 'signedOut');
      return;
    }
    clearTimeout(calm);
    banner.classList.toggle('calm', detail.state === 'online' && !wasLost);
    if (wasLost) calm = setTimeout(() => banner.classList.add('calm'), 2_500);
    if (client.user) {
      const before = session.kept();
      if (before && !before.user) {
        session.keep({ ...before, user: client.user });
        draw();
      }
    }
    drawBanner();
    if (detail.state === 'online') reopen();
    redrawSoon(); // presence is known only while connected
  });

  // --- Drawing, at most once a frame.
  let drawing = false;
  function redrawSoon() {
    if (drawing || ended) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (ended) return;
      list.draw();
      chat.draw();
      const unread = [...client.conversations.values()].reduce((sum, c) => sum + c.me.unread_count, 0);
      document.title = unread ? `(${unread}) Bedside` : 'Bedside';
      client.watch([...client.conversations.values()].filter((c) => c.peer).map((c) => c.peer.user_id));
    });
  }
  client.on('change', redrawSoon);
  client.on('presence', () => client.conversations.size && list.drawSoon(() => chat.drawHead()));
  client.on('confirm-needed', () => toast(t('unsentMark')));

  draw = () => {
    const me = client.user ?? session.kept()?.user;
    const side = el('div', { class: 'side' },
      el('header', { class: 'side-head' }, brand(), settingsButtons(),
        iconButton('leave', t('signOut'), { 'data-testid': 'signout', class: 'icon-button flip', onclick: () => client.signOut() })),
      me && el('div', { class: 'me' }, avatar(me.user_id, me.name),
        el('span', { class: 'person-text' }, el('span', { class: 'name' }, isolated(me.name || me.user_id)), el('span', { class: 'detail' }, roleText(me.roles)))),
      el('nav', { class: 'list', 'aria-labelledby': 'list-title' },
        el('div', { class: 'list-head' }, el('h1', { id: 'list-title' }, t('conversations')),
          el('button', { type: 'button', class: 'button small', 'data-testid': 'new-chat', onclick: newChat }, icon('plus'), t('newChat'))),
        list.root));
    const drawn = el('div', { class: 'frame', 'data-pane': chat.id ? 'chat' : 'list' }, side, chat.root);
    frame = drawn;
    app.replaceChildren(banner, drawn);
    list.redraw();
    chat.redraw();
    drawBanner();
  };
  draw();
  reopen();
  client.connect();
}

// --- Start ----------------------------------------------------------------------------------

startLanguage();
try {
  const kept = localStorage.getItem(THEME_KEPT_AS);
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* as the system has it */ }
dark.addEventListener('change', () => draw());

const signedIn = session.kept();
if (signedIn) showMain(signedIn);
else showSignIn();
