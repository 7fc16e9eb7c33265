// How statuses and kinds of events are shown: a word, a shape and a colour, never the colour alone.
import {h} from './dom.js';

const kTones = {
  completed: 'good', failed: 'bad', cancelled: 'idle', cancelling: 'idle', running: 'busy', pending: 'idle',
  paused: 'wait', skipped: 'idle', retrying: 'warn', retried: 'warn', sleeping: 'busy', 'in-child': 'busy',
  suspended: 'wait', 'waiting-approval': 'wait', 'waiting-input': 'wait', 'waiting-external': 'wait',
};

export const RUN_STATUSES = [
  'pending', 'running', 'paused', 'waiting-approval', 'waiting-input', 'waiting-external', 'completed', 'failed',
  'cancelled',
];

export const toneOf = (status) => kTones[status] ?? 'idle';
export const isWaiting = (status) => status.startsWith('waiting-');

export function statusChip(status) {
  const text = String(status);
  return h('span.chip', {dataset: {tone: toneOf(text)}}, h('span.dot', {'aria-hidden': 'true'}), text.replace('-', ' '));
}

/** What an event is about, for its colour and for the filter. */
export function groupOf(type) {
  const room = type.slice(0, type.indexOf('.'));
  if (room === 'run' || room === 'workflow' || room === 'replay') return 'run';
  if (room === 'node') return 'node';
  if (room === 'interrupt' || room === 'approval' || room === 'clarification' || room === 'conversation') return 'wait';
  if (room === 'variable' || room === 'channel' || room === 'artifact' || room === 'version') return 'state';
  if (room === 'agent' || room === 'runOrchestrator' || room === 'output') return 'agent';
  return 'other';
}

export const GROUPS = [
  ['run', 'Run'], ['node', 'Nodes'], ['state', 'State'], ['wait', 'Waits'], ['agent', 'Agents'], ['other', 'Other'],
];
