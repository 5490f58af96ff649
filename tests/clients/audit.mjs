// The audit log, as an auditor reads it: out of the store's own file, with whatever can read
// SQLite here.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SQL = `SELECT seq AS pos, at, actor, action, subject, detail FROM audit_chain
  WHERE action NOT IN ('session.open', 'history.read') AND action NOT GLOB 'message.[ed]*'
    AND action NOT GLOB 'conversation.*' AND action NOT IN ('member.add', 'member.remove', 'member.leave')
  ORDER BY seq`;
const PYTHON = `import json, sqlite3, sys
db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
db.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in db.execute(sys.argv[2])]))`;

const readers = [
  async (file) => {
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      return db.prepare(SQL).all();
    } finally {
      db.close();
    }
  },
  async (file) => JSON.parse((await run('sqlite3', ['-readonly', '-json', file, SQL])).stdout || '[]'),
  async (file) => JSON.parse((await run('python3', ['-c', PYTHON, file, SQL])).stdout),
];
let reader = null;

/** All entries, oldest first: {pos, at, actor, action, subject, detail}. */
export async function auditLog(dataDir) {
  const file = join(dataDir, 'bedside.db');
  if (reader) return reader(file);
  const faults = [];
  for (const candidate of readers) {
    try {
      const entries = await candidate(file);
      reader = candidate;
      return entries;
    } catch (fault) {
      faults.push(fault);
    }
  }
  throw new AggregateError(faults, `the audit log in ${file} cannot be read`);
}
