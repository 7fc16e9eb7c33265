// What changed between two states: [{path, kind: 'added' | 'changed' | 'removed', before?, after?}], by path. Pure.

const MAX_CHANGES = 500;

const isObject = (value) => value !== null && typeof value === 'object';

function step(path, key, inArray) {
  if (inArray) return `${path}[${key}]`;
  const name = /^[\p{L}\p{N}_$-]+$/u.test(key) ? key : JSON.stringify(key);
  return path === '' ? name : `${path}.${name}`;
}

export function diff(before, after) {
  const changes = [];
  compare('', before, after, changes);
  return changes;
}

function compare(path, before, after, changes) {
  if (before === after || changes.length >= MAX_CHANGES) return;
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after)) {
    if (before === undefined) changes.push({path, kind: 'added', after});
    else if (after === undefined) changes.push({path, kind: 'removed', before});
    else changes.push({path, kind: 'changed', before, after});
    return;
  }
  const inArray = Array.isArray(before);
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    compare(step(path, key, inArray), own(before, key), own(after, key), changes);
  }
}

const own = (object, key) => (Object.hasOwn(object, key) ? object[key] : undefined);
