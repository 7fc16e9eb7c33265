// A run and the runs that it has started, as what the lanes draw. The snapshot names the children; whose node started
// one is in the child's own snapshot. Children that live are looked at now and then: each open stream would take one of
// the few connections that a browser has for a server.
import {EventLog} from './event_log.js';
import {isTerminal} from './fold.js';
import {Spans} from './spans.js';
import {isWaiting} from './status.js';

const MAX_DEPTH = 4;
/** Beyond it a child is drawn as one bar until somebody unfolds it. */
const OPEN_CHILDREN = 4;
export const MAX_CHILDREN = 100;

export class Track {
  constructor(api, runId, depth) {
    this.api = api;
    this.runId = runId;
    this.depth = depth;
    this.workflowId = runId;
    this.status = 'pending';
    this.open = true;
    this.snapshot = null;
    this.log = new EventLog(api, runId);
    this.spans = new Spans();
    this.log.observers.push((event) => this.spans.add(event));
    this.kids = new Map();      // runId -> Track
    this.children = new Map();  // nodeId -> [Track]
    this.complete = false;
  }

  get count() {
    return this.log.count;
  }

  /** Takes a snapshot in, and the children that it names. */
  async refresh(signal) {
    this.snapshot = await this.api.run(this.runId, signal);
    this.workflowId = this.snapshot.workflowId;
    this.status = this.snapshot.status;
    await this.#refreshChildren(signal);
    return this.snapshot;
  }

  async #refreshChildren(signal) {
    if (this.depth >= MAX_DEPTH) return;
    for (const {runId, status} of (this.snapshot.childRuns ?? []).slice(0, MAX_CHILDREN)) {
      let child = this.kids.get(runId);
      // Ordered and not there yet: its own shard creates it.
      if (!child && status === 'pending') continue;
      const known = child?.complete || (child && child.status === status && !child.open);
      if (known) continue;
      if (!child) {
        child = new Track(this.api, runId, this.depth + 1);
        child.open = this.kids.size < OPEN_CHILDREN || isWaiting(status);
        this.kids.set(runId, child);
      }
      try {
        await child.follow(signal);
      } catch (error) {
        // Gone, or not there yet; the parent's page is as good without it.
        if (error.status !== 404) throw error;
        continue;
      }
      const nodeId = child.snapshot.parentNodeId ?? '';
      const siblings = this.children.get(nodeId) ?? [];
      if (!siblings.includes(child)) this.children.set(nodeId, [...siblings, child]);
    }
  }

  /** Reads what is new of a child; of a folded one its beginning and end will do. */
  async follow(signal) {
    const before = this.count > 0 ? JSON.stringify(this.snapshot?.nodeStates) : '';
    await this.refresh(signal);
    if (!this.open && this.count === 0) {
      Object.assign(this.spans.run, {
        from: Date.parse(this.snapshot.startedAt), status: this.status,
        to: isTerminal(this.status) ? Date.parse(this.snapshot.completedAt) : null,
      });
      return;
    }
    const moved = before !== JSON.stringify(this.snapshot.nodeStates) || isTerminal(this.status);
    if (moved && !this.complete) this.complete = await this.log.load(signal);
  }

  /** This track and all below it. */
  * all() {
    yield this;
    for (const child of this.kids.values()) yield* child.all();
  }

  find(runId) {
    for (const track of this.all()) if (track.runId === runId) return track;
    return null;
  }

  /** What waits for an answer, here and below: [{runId, nodeId, interrupt, workflowId}]. */
  pending() {
    return [...this.all()].flatMap((track) => Object.entries(track.log.state.interrupts).map(([nodeId, interrupt]) => (
      {runId: track.runId, workflowId: track.workflowId, nodeId, interrupt, depth: track.depth})));
  }
}
