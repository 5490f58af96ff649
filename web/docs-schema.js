// Reading JSON Schema: as a text for people, and as an example to begin with.

/** What a reference stands for. */
export function resolve(api, schema) {
  if (!schema?.$ref) return schema;
  return schema.$ref.slice(2).split('/').reduce((at, name) => at?.[name], api);
}

const kindsOf = (schema) => [schema.type].flat().filter(Boolean);

/** The members of all parts of an `allOf` together. */
function merged(api, schema) {
  const parts = schema.allOf.map((part) => resolve(api, part)).map((part) => (part.allOf ? merged(api, part) : part));
  return { type: 'object', properties: Object.assign({}, ...parts.map((part) => part.properties)), required: parts.flatMap((part) => part.required ?? []) };
}

/** A schema as a text: `{name: text (at most 200), roles?: [text]}`. */
export function shapeOf(api, given, indent = '', seen = []) {
  const schema = resolve(api, given) ?? {};
  if (given?.$ref && seen.includes(given.$ref)) return given.$ref.split('/').at(-1);
  const known = given?.$ref ? [...seen, given.$ref] : seen;
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives) return alternatives.map((one) => shapeOf(api, one, indent, known)).join(' or ');
  if (schema.allOf) return shapeOf(api, merged(api, schema), indent, known);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const kinds = kindsOf(schema);
  const nullable = kinds.includes('null') ? ' or null' : '';
  if (schema.properties) {
    const deeper = `${indent}  `;
    const members = Object.entries(schema.properties).map(([name, member]) =>
      `${deeper}${name}${schema.required?.includes(name) ? '' : '?'}: ${shapeOf(api, member, deeper, known)}`);
    return `{\n${members.join(',\n')}\n${indent}}${nullable}`;
  }
  if (kinds.includes('array')) return `[${shapeOf(api, schema.items, indent, known)}]${bounds(schema.minItems, schema.maxItems)}${nullable}`;
  const kind = kinds.find((name) => name !== 'null');
  if (kind === 'string') return `${schema.format ?? 'text'}${bounds(schema.minLength, schema.maxLength)}${nullable}`;
  if (kind === 'integer' || kind === 'number') return `number${bounds(schema.minimum, schema.maximum)}${nullable}`;
  return `${kind ?? 'anything'}${nullable}`;
}

function bounds(min, max) {
  if (min !== undefined && max !== undefined) return ` (${min} to ${max})`;
  if (max !== undefined) return ` (at most ${max})`;
  return min ? ` (from ${min})` : '';
}

function takesNull(api, given) {
  const schema = resolve(api, given) ?? {};
  return kindsOf(schema).includes('null') || (schema.oneOf ?? []).some((one) => one.type === 'null');
}

/** Something of this shape to begin with: what has to be there. */
export function exampleOf(api, given, depth = 0) {
  const schema = resolve(api, given) ?? {};
  if (schema.allOf) return exampleOf(api, merged(api, schema), depth);
  if (schema.oneOf ?? schema.anyOf) return exampleOf(api, (schema.oneOf ?? schema.anyOf).find((one) => one.type !== 'null'), depth);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) {
    const all = Object.keys(schema.properties);
    const needed = all.filter((name) => schema.required?.includes(name));
    // Where nothing has to be there, what cannot be null is what people mean to give.
    const names = needed.length || depth > 0 ? needed : all.filter((name) => !takesNull(api, schema.properties[name]));
    return Object.fromEntries(names.map((name) => [name, exampleOf(api, schema.properties[name], depth + 1)]));
  }
  const kind = kindsOf(schema)[0];
  if (kind === 'array') return schema.minItems ? [exampleOf(api, schema.items, depth + 1)] : [];
  if (kind === 'integer' || kind === 'number') return Math.max(1, schema.minimum ?? 1);
  if (kind === 'boolean') return true;
  if (kind === 'object') return {};
  return '';
}
