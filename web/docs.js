// The page at /api/docs: lists what the OpenAPI document has and tries it. All of it comes from
// this server, and text only ever goes in as text nodes.

import { el } from './dom.js';
import { exampleOf, resolve, shapeOf } from './docs-schema.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
// Paths on the server are told from its root, wherever a proxy has put it.
const ROOT = new URL('..', location.href);

/** Gone with the page: a token that is kept could be taken. */
let token = '';

const response = await fetch('openapi.json');
const api = await response.json();
const groups = new Map((api.tags ?? []).map((tag) => [tag.name, []]));
for (const [path, item] of Object.entries(api.paths)) {
  for (const method of METHODS.filter((name) => item[name])) {
    const operation = { ...item[method], path, method };
    const tag = operation.tags?.[0] ?? 'Other';
    groups.set(tag, [...(groups.get(tag) ?? []), operation]);
  }
}
/** Text in which code stands between backticks. */
const prose = (text) => text.split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part));
const anchor = (tag) => `tag-${tag.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;

document.querySelector('#docs').append(head(), el('div', { class: 'docs-frame' }, contents(), main()));
openLinked();
window.addEventListener('hashchange', openLinked);

function head() {
  return el('header', { class: 'docs-head' },
    el('a', { class: 'brand', href: '../' }, el('img', { src: '../icon.svg', alt: '', width: 30, height: 30 }), 'Bedside API'),
    el('span', { class: 'hint' }, `version ${api.info.version}, OpenAPI ${api.openapi}`),
    el('a', { class: 'text-button', href: 'openapi.json' }, 'openapi.json'));
}

function contents() {
  return el('nav', { class: 'docs-contents', 'aria-label': 'Contents' }, [...groups].map(([tag, operations]) =>
    el('a', { href: `#${anchor(tag)}` }, el('span', {}, tag), el('span', { class: 'hint' }, String(operations.length)))));
}

function main() {
  const sections = [...groups].map(([tag, operations]) => el('section', { id: anchor(tag) },
    el('h2', {}, tag), operations.map(entry)));
  const none = el('p', { class: 'hint', hidden: true }, 'Nothing of that name.');
  const filter = el('input', { type: 'search', id: 'filter', placeholder: 'conversations, POST, receipts …', oninput: () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of sections) {
      const entries = [...section.querySelectorAll('details.operation')];
      for (const one of entries) one.hidden = !words.every((word) => one.dataset.text.includes(word));
      section.hidden = entries.every((one) => one.hidden);
    }
    none.hidden = sections.some((section) => !section.hidden);
  } });
  return el('main', {}, el('p', { class: 'about' }, prose(api.info.description)), signIn(),
    el('label', { class: 'field', for: 'filter' }, 'Find'), filter, sections, none);
}

function signIn() {
  const said = el('span', { class: 'hint', role: 'status' }, 'Without a token only some of it answers.');
  const input = el('input', { type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', placeholder: 'JWT', oninput: () => {
    token = input.value.trim();
    said.textContent = token ? 'It is sent with what is tried here, and forgotten with the page.' : 'Without a token only some of it answers.';
  } });
  const people = el('div', { class: 'demo-people' });
  demo(people, (signedIn) => {
    input.value = signedIn.token;
    token = signedIn.token;
    said.textContent = `Signed in as ${signedIn.user.name}.`;
  });
  return el('div', { class: 'docs-token' }, el('label', { class: 'field', for: 'token' }, 'Token'), input, people, said);
}

/** In demo mode anybody in it is one click away. */
async function demo(people, signedIn) {
  const answer = await fetch(new URL('demo', ROOT)).then((got) => got.json(), () => ({ users: [] }));
  people.append(...(answer.users ?? []).map((user) => el('button', { type: 'button', class: 'button quiet small', onclick: async () => {
    const got = await fetch(new URL('demo/login', ROOT), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user_id: user.user_id }) });
    if (got.ok) signedIn(await got.json());
  } }, el('bdi', {}, user.name))));
}

function entry(operation) {
  const details = el('details', { class: 'operation', id: operation.operationId, ontoggle: () => {
    if (details.open && details.children.length === 1) details.append(...body(operation));
  } },
  el('summary', {},
    el('span', { class: `method ${operation.method}` }, operation.method.toUpperCase()),
    el('code', {}, operation.path),
    el('span', { class: 'what' }, prose(operation.summary))));
  details.dataset.text = [operation.method, operation.path, operation.summary, operation.tags].join(' ').toLowerCase();
  return details;
}

function body(operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => ({ parameter, input: inputOf(operation, parameter) }));
  const taken = operation.requestBody?.content?.['application/json'];
  const text = taken && el('textarea', { rows: 8, spellcheck: 'false', 'aria-label': 'Body' });
  if (text) text.value = JSON.stringify(exampleOf(api, taken.schema), null, 2);
  const answer = el('div', { class: 'answer', 'aria-live': 'polite' });
  const send = el('button', { type: 'submit', class: 'button small' }, 'Try it');
  return [
    ...operation.description.split('\n\n').map((said) => el('p', {}, prose(said))),
    el('form', { onsubmit: (event) => {
      event.preventDefault();
      attempt(operation, parameters, text, answer, send);
    } },
    parameters.length > 0 && el('h3', {}, 'Parameters'),
    parameters.map(({ parameter, input }) => el('label', { class: 'parameter' },
      el('span', {}, el('code', {}, parameter.name), el('span', { class: 'hint' }, ` ${parameter.in}${parameter.required ? ', required' : ''}`)),
      input,
      el('span', { class: 'hint' }, [shapeOf(api, parameter.schema), parameter.description].filter(Boolean).join('. ')))),
    taken && el('h3', {}, operation.requestBody.required ? 'Body' : 'Body, if any'), text,
    taken && el('details', { class: 'shape' }, el('summary', {}, 'Its shape'), el('pre', {}, shapeOf(api, taken.schema))),
    send), answer,
    el('h3', {}, 'Answers'),
    el('div', { class: 'answers' }, Object.entries(operation.responses).map(([status, given]) => oneAnswer(status, resolve(api, given)))),
  ];
}

function inputOf(operation, parameter) {
  return el('input', { type: 'text', required: parameter.required, spellcheck: 'false', autocomplete: 'off', 'aria-label': parameter.name });
}

function oneAnswer(status, given) {
  const [kind, content] = Object.entries(given.content ?? {})[0] ?? [];
  return el('details', { class: 'shape' },
    el('summary', {}, el('span', { class: `status s${status[0]}` }, status), given.description),
    kind && el('p', { class: 'hint' }, kind),
    content?.schema && el('pre', {}, shapeOf(api, content.schema)));
}

async function attempt(operation, parameters, text, answer, send) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  let path = operation.path;
  const query = new URLSearchParams();
  for (const { parameter, input } of parameters) {
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === '') continue;
    else if (parameter.in === 'header') headers[parameter.name] = input.value;
    else query.append(parameter.name, input.value);
  }
  const asked = `${path}${query.size ? `?${query}` : ''}`;
  const options = { method: operation.method.toUpperCase(), headers };
  if (text?.value.trim()) {
    headers['content-type'] = 'application/json';
    options.body = text.value;
  }
  send.disabled = true;
  const started = performance.now();
  try {
    const got = await fetch(new URL(asked.slice(1), ROOT), options);
    const said = await got.text();
    const took = Math.round(performance.now() - started);
    answer.replaceChildren(
      el('p', {}, el('span', { class: `status s${String(got.status)[0]}` }, String(got.status)),
        el('span', { class: 'hint' }, ` ${options.method} ${asked} · ${took} ms · ${got.headers.get('content-type') ?? 'no body'}`)),
      el('pre', {}, pretty(said)));
  } catch {
    answer.replaceChildren(el('p', { class: 'hint' }, 'The server could not be reached.'));
  } finally {
    send.disabled = false;
  }
}

function pretty(said) {
  try {
    return JSON.stringify(JSON.parse(said), null, 2);
  } catch {
    return said;
  }
}

/** An operation that the address names is open. */
function openLinked() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named) return;
  if (named.matches('details')) named.open = true;
  named.scrollIntoView();
}
