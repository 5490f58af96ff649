// Making elements. Text only ever goes in as text nodes, so nothing that a user wrote can
// become markup.

import { t } from './i18n.js';

/** An element with attributes, listeners (`onclick`) and children (nodes, texts, nothing). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  alert: 'M12 8v5m0 3.5v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z',
  back: 'M15 5l-7 7 7 7',
  chat: 'M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  checks: 'M2 12.5l4.5 4.5L15 8M11 16l1 1 9.5-9.5',
  clock: 'M12 7v5l3 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  down: 'M6 9l6 6 6-6',
  edit: 'M4 20l1-4L16 5l3 3L8 19z',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  moon: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  plus: 'M12 5v14M5 12h14',
  reply: 'M9 7l-5 5 5 5M4 12h10a6 6 0 0 1 6 6v1',
  send: 'M4 5l17 7-17 7 2.5-7zM6.5 12h6',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
};

/** A line icon; with a label it speaks for itself, without one it is decoration. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else {
    svg.setAttribute('aria-hidden', 'true');
  }
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button that is only an icon. */
export function iconButton(name, label, attributes = {}) {
  return el('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, ...attributes }, icon(name));
}

/** A name in a text of the other direction must not turn the text around. Never itself the box:
 *  a box takes its side from its own direction. */
export const isolated = (text) => el('bdi', {}, text);

/** `t` with elements in the place of some values. */
export function tNodes(key, nodes) {
  const marks = Object.fromEntries(Object.keys(nodes).map((name) => [name, `\u0000${name}\u0000`]));
  return t(key, marks).split('\u0000').map((part, i) => (i % 2 ? nodes[part] : part));
}

export const roleText = (roles = []) => roles.map((role) => t(`role_${role}`)).join(' · ');

function initials(name) {
  // Of a name in two scripts, "Sara Haddad / سارة حداد", the first.
  const words = name.split('/')[0].replace(/^\s*(dr|prof|د)\.?\s+/i, '').split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : ''].map((w) => [...(w ?? '')][0] ?? '').join('').toUpperCase() || '?';
}

/** A round mark with initials; always the same colour for the same id. */
export function avatar(id, name, presence) {
  let hash = 2_166_136_261; // FNV-1a: ids that differ in one letter still differ in colour
  for (const c of id) hash = Math.imul(hash ^ c.codePointAt(0), 16_777_619) >>> 0;
  return el('span', { class: `avatar tint-${(hash >>> 8) % 6}`, 'aria-hidden': 'true' }, initials(name),
    presence && el('span', { class: `dot ${presence}` }));
}

/** A modal dialog that goes away with Esc, its close button or a click beside it. */
export function openDialog(title, ...content) {
  const dialog = el('dialog', { class: 'dialog', 'aria-label': title, onclose: () => dialog.remove(),
    onclick: (event) => event.target === dialog && dialog.close() },
  el('div', { class: 'dialog-head' }, el('h2', {}, title),
    iconButton('close', t('close'), { onclick: () => dialog.close() })),
  ...content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks yes or no. */
export function ask(question, yes) {
  return new Promise((answered) => {
    const dialog = openDialog(question, el('div', { class: 'dialog-actions' },
      el('button', { type: 'button', class: 'button quiet', onclick: () => dialog.close() }, t('cancel')),
      el('button', { type: 'button', class: 'button danger', 'data-testid': 'confirm-yes', onclick: () => {
        answered(true);
        dialog.close();
      } }, yes)));
    dialog.addEventListener('close', () => answered(false));
  });
}

/** Says something for a moment. */
export function toast(text) {
  const node = el('div', { class: 'toast', role: 'alert', 'data-testid': 'toast' }, text);
  document.querySelector('.toast')?.remove();
  document.body.append(node);
  setTimeout(() => node.remove(), 5_000);
}
