// A browser, its windows, and what the tests ask of them.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  // A page that the test serves itself, while the server is down, belongs to no address.
  '--disable-features=LocalNetworkAccessChecks'];

function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const dirs = (process.env.PATH ?? '').split(delimiter);
  const found = dirs.flatMap((dir) => names.map((name) => join(dir, name))).find(existsSync);
  if (!found) throw new Error('no Chromium on PATH; CHROMIUM may name one');
  return found;
}

export const launch = (more = []) => chromium.launch({ executablePath: findBrowser(), args: [...ARGS, ...more] });

/** One browser profile. `faults` collects console errors and CSP violations. */
export class Profile {
  faults = [];
  outage = false; // while true, pages come from what was seen before
  #seen = new Map();

  static async open(browser, origin, options = {}) {
    const profile = new Profile();
    profile.origin = origin;
    profile.context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
    profile.context.setDefaultTimeout(20_000);
    profile.context.on('response', (response) => profile.#remember(response).catch(() => {}));
    await profile.context.route(`${origin}/**`, (route) => profile.#serve(route));
    await profile.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
    });
    return profile;
  }

  /** A reload while the server is down needs its files from somewhere, as from a browser's cache. */
  #serve(route) {
    const key = new URL(route.request().url()).pathname;
    if (this.outage) {
      const seen = this.#seen.get(key);
      return seen ? route.fulfill(seen) : route.abort();
    }
    return route.continue();
  }

  async #remember(response) {
    if (response.request().method() !== 'GET' || response.status() !== 200) return;
    const kept = { status: 200, headers: response.headers(), body: await response.body() };
    this.#seen.set(new URL(response.url()).pathname, kept);
  }

  async page() {
    const page = await this.context.newPage();
    page.on('pageerror', (fault) => this.faults.push(`page error: ${fault.stack}`));
    page.on('console', (message) => {
      // That a dead server cannot be reached is said by the browser itself.
      const expected = this.outage && /WebSocket connection|ERR_CONNECTION|ERR_FAILED|Failed to load resource/.test(message.text());
      if (message.type() === 'error' && !expected) this.faults.push(message.text());
    });
    await page.goto(this.origin);
    return new Window(page);
  }
}

/** One window, in the words of the page. */
export class Window {
  constructor(page) {
    this.page = page;
  }

  get(id) {
    return this.page.getByTestId(id);
  }

  async signIn(userId) {
    await this.get(`demo-user-${userId}`).click();
    await this.online();
  }

  online() {
    return this.page.locator('[data-testid=connection][data-state=online]').waitFor({ state: 'attached', timeout: 20_000 });
  }

  lost() {
    return this.page.locator('[data-testid=connection]:is([data-state=reconnecting], [data-state=connecting])').waitFor();
  }

  async say(...texts) {
    for (const text of texts) {
      await this.get('composer').fill(text);
      await this.get('composer').press('Enter');
      await this.message(text).waitFor();
    }
  }

  /** The message that says exactly this. */
  message(text) {
    const exactly = new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
    return this.get('message').filter({ has: this.page.getByTestId('text').filter({ hasText: exactly }) });
  }

  withStatus(text, status) {
    return this.message(text).and(this.page.locator(`[data-status=${status}]`)).waitFor();
  }

  async act(text, action) {
    await this.message(text).hover();
    await this.message(text).getByTestId('actions').click();
    await this.get(`action-${action}`).click();
  }

  texts() {
    return this.get('text').allTextContents();
  }

  /** All texts that the server has, oldest first. */
  async history(conversationId) {
    const token = await this.page.evaluate(() => JSON.parse(sessionStorage.getItem('bedside.session')).token);
    const url = new URL(`/api/v1/conversations/${conversationId}/messages`, this.page.url());
    const texts = [];
    for (let after = 0, more = true; more;) {
      url.search = new URLSearchParams({ after_seq: after, limit: 200 });
      const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
      if (!answer.ok) throw new Error(`history: ${answer.status} ${await answer.text()}`);
      const page = await answer.json();
      for (const { type, data } of page.events) if (type === 'message.created' && !data.deleted_at) texts.push(data.text);
      after = page.events.at(-1)?.seq;
      more = page.has_more;
    }
    return texts;
  }
}
