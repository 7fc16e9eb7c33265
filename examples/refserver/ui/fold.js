// The state of a run as its events tell it: fold(state, event) -> state. Pure; a state is never changed, and what did
// not change is shared, so that keeping many of them is cheap and comparing them is quick.

export const emptyState = Object.freeze({
  status: 'pending', nodes: {}, variables: {}, channels: {}, interrupts: {}, pins: {},
});

export const isTerminal = (status) => status === 'completed' || status === 'failed' || status === 'cancelled';

const set = (object, key, value) => ({...object, [key]: value});

function without(object, key) {
  const {[key]: gone, ...rest} = object;
  return rest;
}

function withNode(state, id, changes) {
  return {...state, nodes: set(state.nodes, id, {...(state.nodes[id] ?? {attempt: 0}), ...changes})};
}

function endNode(state, id, status, changes = {}) {
  return withNode({...state, interrupts: without(state.interrupts, id)}, id, {status, ...changes});
}

const kWaits = {
  clarification: 'waiting-input', custom: 'waiting-input', 'external-event': 'waiting-external',
  'conversation.start': 'waiting-input', 'conversation.close': 'waiting-input',
};

/** What the run shows while it is neither paused nor over. */
function liveStatus(state) {
  const pending = Object.values(state.interrupts);
  if (pending.length === 0) return 'running';
  return kWaits[pending[pending.length - 1].kind] ?? 'waiting-approval';
}

function settle(state) {
  if (state.status === 'paused' || isTerminal(state.status)) return state;
  const status = liveStatus(state);
  return status === state.status ? state : {...state, status};
}

/** How a write joins the value of a channel; what a reader cannot know (times to live, sizes) is left out. */
function reduced(before, value, reducer) {
  switch (reducer) {
    case 'append':
    case 'feedback':
      return [...(Array.isArray(before) ? before : []), ...(Array.isArray(value) ? value : [value])];
    case 'merge':
      return {...(isObject(before) ? before : {}), ...(isObject(value) ? value : {})};
    case 'counter':
      return (typeof before === 'number' ? before : 0) + (typeof value === 'number' ? value : 0);
    case 'message':
    case 'votes':
      return [...(Array.isArray(before) ? before : []), value];
    default:
      return value;
  }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

const handlers = {
  'run.started': (state) => ({...state, status: 'running'}),
  'run.paused': (state) => ({...state, status: 'paused'}),
  'run.resumed': (state) => settle({...state, status: 'running'}),
  'run.completed': (state, {payload}) => end(state, 'completed', {outputs: payload.outputs}),
  'run.failed': (state, {payload}) => end(state, 'failed', {error: payload.error}),
  'run.cancelled': (state, {payload}) => end(state, 'cancelled', {reason: payload.reason}),
  'node.started': (state, {payload}, id) => withNode(state, id, {status: 'running', attempt: payload.attempt ?? 0}),
  'node.completed': (state, {payload}, id) => settle(endNode(state, id, 'completed', {outputs: payload.outputs})),
  'node.failed': (state, {payload}, id) => settle(endNode(state, id, 'failed', {error: payload.error})),
  'node.skipped': (state, event, id) => endNode(state, id, 'skipped'),
  'node.cancelled': (state, event, id) => settle(endNode(state, id, 'cancelled')),
  'node.retried': (state, {payload}, id) => withNode(state, id, {status: 'retrying', attempt: payload.attempt ?? 0}),
  'node.suspended': (state, event, id) => withNode(state, id, {status: 'suspended'}),
  'node.resumed': (state, event, id) => withNode(state, id, {status: 'running'}),
  'interrupt.requested': (state, {payload}, id) => settle({
    ...state,
    // Last in, last in the list: the latest is what the run's status speaks of.
    interrupts: set(without(state.interrupts, id), id, payload),
  }),
  'interrupt.resolved': (state, event, id) => settle({...state, interrupts: without(state.interrupts, id)}),
  'variable.changed': (state, {payload}) => ({...state, variables: set(state.variables, payload.name, payload.next)}),
  'channel.written': (state, {payload}) => ({
    ...state,
    channels: set(state.channels, payload.channel,
      reduced(state.channels[payload.channel], payload.value, payload.reducer)),
  }),
  'version.pinned': (state, {payload}) => ({...state, pins: set(state.pins, payload.changeId, payload.version)}),
};

function end(state, status, changes) {
  return {...state, status, interrupts: {}, ...changes};
}

export function fold(state, event) {
  const handler = Object.hasOwn(handlers, event.type) ? handlers[event.type] : null;
  const payload = isObject(event.payload) ? event.payload : {};
  return handler ? handler(state, {...event, payload}, event.nodeId ?? payload.nodeId ?? '') : state;
}
