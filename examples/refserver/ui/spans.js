// What the lanes show, from the events: when each node worked, waited and ended. Pure bookkeeping, no drawing.
//
// A span: {from, to, fromSequence, toSequence, status, attempt, waits: [{from, to, ...}]}; `to` is null while it lasts.

/** Executions of one node that are kept apart; older ones melt into one bar. */
const MAX_SPANS = 200;

const kEnds = {
  'node.completed': 'completed', 'node.failed': 'failed', 'node.cancelled': 'cancelled', 'node.skipped': 'skipped',
};

export class Spans {
  constructor() {
    /** nodeId -> {id, typeId, spans, marks}, in the order of their first start. */
    this.lanes = new Map();
    this.run = {from: NaN, to: null, fromSequence: 0, toSequence: null, status: 'pending', waits: []};
  }

  add(event) {
    const at = {time: Date.parse(event.timestamp), sequence: event.sequence};
    if (event.sequence === 0) this.run.from = at.time;
    this.#addToRun(event, at);
    const id = event.nodeId ?? event.payload?.nodeId;
    if (!id) return;
    const lane = this.#lane(id);
    const open = lane.spans.at(-1)?.to === null ? lane.spans.at(-1) : null;
    switch (event.type) {
      case 'node.started':
        if (event.payload.typeId) lane.typeId = event.payload.typeId;
        if (open) close(open, at, open.status);
        begin(lane, at, event.payload.attempt ?? 0);
        break;
      case 'node.suspended':
        if (open) openWait(open, at);
        break;
      case 'node.resumed':
        if (open) closeWait(open, at);
        break;
      case 'node.retried':
        if (open) close(open, at, 'retried');
        break;
      case 'node.completed':
      case 'node.failed':
      case 'node.cancelled':
      case 'node.skipped':
        if (!open) begin(lane, at, 0);
        close(lane.spans.at(-1), at, kEnds[event.type]);
        break;
      default:
    }
  }

  #lane(id) {
    let lane = this.lanes.get(id);
    if (!lane) {
      lane = {id, typeId: '', spans: [], melted: 0};
      this.lanes.set(id, lane);
    }
    return lane;
  }

  #addToRun(event, at) {
    const run = this.run;
    switch (event.type) {
      case 'run.started': run.status = 'running'; break;
      case 'run.completed': close(run, at, 'completed'); break;
      case 'run.failed': close(run, at, 'failed'); break;
      case 'run.cancelled': close(run, at, 'cancelled'); break;
      case 'interrupt.requested':
      case 'run.paused': openWait(run, at); break;
      case 'interrupt.resolved':
      case 'run.resumed': closeWait(run, at); break;
      default:
    }
  }
}

function begin(lane, at, attempt) {
  if (lane.spans.length >= MAX_SPANS) {
    const [first, second] = lane.spans;
    lane.spans.splice(0, 2, {...first, to: second.to, toSequence: second.toSequence, waits: []});
    lane.melted += 1;
  }
  lane.spans.push({
    from: at.time, to: null, fromSequence: at.sequence, toSequence: null, status: 'running', attempt, waits: [],
  });
}

function close(span, at, status) {
  closeWait(span, at);
  span.to = at.time;
  span.toSequence = at.sequence;
  span.status = status;
}

function openWait(span, at) {
  if (span.waits.at(-1)?.to === null) return;
  span.waits.push({from: at.time, to: null, fromSequence: at.sequence, toSequence: null});
}

function closeWait(span, at) {
  const wait = span.waits.at(-1);
  if (!wait || wait.to !== null) return;
  wait.to = at.time;
  wait.toSequence = at.sequence;
}
