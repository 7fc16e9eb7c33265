// A JSON value as a tree that folds. Branches are built when they are opened, long ones in pieces.
import {h} from './dom.js';
import {brief} from './format.js';

const OPEN_DEPTH = 2;
const PIECE = 100;
const LONG_TEXT = 400;

const isBranch = (value) => value !== null && typeof value === 'object';

export function jsonView(value, {label = 'JSON value'} = {}) {
  return h('div.json', {role: 'group', 'aria-label': label}, node(null, value, 0));
}

function node(key, value, depth) {
  if (!isBranch(value)) return h('div.json-line', null, name(key), scalar(value));
  const entries = Array.isArray(value) ? value.map((item, i) => [i, item]) : Object.entries(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (entries.length === 0) return h('div.json-line', null, name(key), h('span.json-mark', null, open + close));
  const details = h('details.json-branch', {open: depth < OPEN_DEPTH && entries.length <= PIECE});
  details.append(h('summary', null, name(key), h('span.json-mark', null, open),
    h('span.json-peek', null, peek(value, entries)), h('span.json-mark.json-shut', null, close),
    h('span.json-size', null, entries.length)));
  const body = h('div.json-body');
  details.append(body);
  let built = false;
  const build = () => {
    if (built) return;
    built = true;
    piece(body, entries, 0, depth);
  };
  if (details.open) build();
  details.addEventListener('toggle', build);
  return details;
}

function piece(body, entries, from, depth) {
  for (const [key, value] of entries.slice(from, from + PIECE)) body.append(node(key, value, depth + 1));
  const rest = entries.length - from - PIECE;
  if (rest <= 0) return;
  const more = h('button.link', {
    type: 'button',
    onclick: () => {
      more.remove();
      piece(body, entries, from + PIECE, depth);
    },
  }, `${Math.min(rest, PIECE)} more of ${rest}`);
  body.append(more);
}

function name(key) {
  return key === null ? null : [h('span.json-key', null, String(key)), h('span.json-mark', null, ': ')];
}

function scalar(value) {
  if (typeof value !== 'string') return h(`span.json-${value === null ? 'null' : typeof value}`, null, String(value));
  if (value.length <= LONG_TEXT) return h('span.json-string', null, JSON.stringify(value));
  const text = h('span.json-string', null, `${JSON.stringify(value.slice(0, LONG_TEXT)).slice(0, -1)}…`);
  const more = h('button.link', {
    type: 'button',
    onclick: () => {
      text.textContent = JSON.stringify(value);
      more.remove();
    },
  }, `all ${value.length} characters`);
  return [text, ' ', more];
}

function peek(value, entries) {
  if (Array.isArray(value)) return entries.slice(0, 3).map(([, item]) => brief(item, 24)).join(', ');
  return entries.slice(0, 4).map(([key]) => key).join(', ');
}
