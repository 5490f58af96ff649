// Who is signed in, in this tab alone: tokens live in sessionStorage and nowhere else, so two
// windows of one browser can be two people, and closing the tab forgets.

const KEPT_AS = 'bedside.session';
const REVOKED = 4410;

export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT_AS));
  } catch {
    return null;
  }
}

export function keep(session) {
  sessionStorage.setItem(KEPT_AS, JSON.stringify(session));
  return session;
}

export const forget = () => sessionStorage.removeItem(KEPT_AS);

/** Whom the server lets in without a password: `{enabled, users}`. */
export async function demo() {
  const answer = await fetch('demo');
  if (answer.status === 404) return { enabled: false, users: [] };
  if (!answer.ok) throw new Error(`demo: ${answer.status}`);
  return answer.json();
}

export async function demoSignIn(userId) {
  const answer = await fetch('demo/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user_id: userId }),
  });
  if (!answer.ok) throw new Error(`demo login: ${answer.status}`);
  const { token, user } = await answer.json();
  return keep({ token, user, demo: true });
}

/** For `BedsideClient`: the token, or a new one when the last is of no more use. */
export async function getToken({ renew }) {
  const session = kept();
  if (!session || renew === REVOKED) return null;
  if (renew === null) return session.token;
  if (!session.demo) return null; // a pasted token cannot be renewed from here
  return (await demoSignIn(session.user.user_id)).token;
}

/** Everyone whom this user may write to. */
export async function contacts() {
  const all = [];
  let cursor;
  do {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : '';
    const answer = await fetch(`api/v1/contacts${query}`, { headers: { Authorization: `Bearer ${kept()?.token}` } });
    if (!answer.ok) throw new Error(`contacts: ${answer.status}`);
    const page = await answer.json();
    all.push(...page.contacts);
    cursor = page.cursor;
  } while (cursor);
  return all;
}
