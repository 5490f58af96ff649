// Exact comparison of payloads in which some values are only known by their kind.

import assert from 'node:assert/strict';

/**
 * Deep and strict; where `wanted` has a function the value is asked whether it is one of those.
 * A member too many is as wrong as one too few.
 */
export function like(actual, wanted) {
  assert.deepStrictEqual(actual, filled(actual, wanted, ''));
}

function filled(actual, wanted, path) {
  if (typeof wanted === 'function') {
    assert.ok(wanted(actual), `${path || 'it'} is no ${wanted.name}: ${JSON.stringify(actual)}`);
    return actual;
  }
  if (Array.isArray(wanted)) return wanted.map((value, i) => filled(actual?.[i], value, `${path}[${i}]`));
  if (wanted && typeof wanted === 'object') {
    return Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, filled(actual?.[key], value, `${path}.${key}`)]));
  }
  return wanted;
}

export const text = (value) => typeof value === 'string' && value !== '';
export const time = (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) && !Number.isNaN(Date.parse(value));
export const number = (value) => Number.isSafeInteger(value);
