/** Waits until `check` holds; what it throws counts as "not yet", but is told at the end. */
export async function until(check, what, timeoutMs = 20_000) {
  const deadline = Date.now() + timeoutMs;
  let last;
  while (Date.now() < deadline) {
    try {
      const value = await check();
      if (value) return value;
      last = value;
    } catch (fault) {
      if (/ended:/.test(fault.message)) throw fault;
      last = fault;
    }
    await new Promise((wake) => setTimeout(wake, 25));
  }
  throw new Error(`timed out until ${what}: ${last?.stack ?? JSON.stringify(last)}`);
}
