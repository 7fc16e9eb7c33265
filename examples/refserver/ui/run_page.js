// One run: its head, what it waits for, the lanes, the events, and the event that is looked at. Live while the run is.
import {ApiError} from './api.js';
import {AnswerCards} from './answer_form.js';
import {announce, append, h, isTyping, replace, setText} from './dom.js';
import {EventDetail} from './event_detail.js';
import {EventList} from './event_list.js';
import {MAX_EVENTS} from './event_log.js';
import {isTerminal} from './fold.js';
import {forkControl, forkSupport} from './fork.js';
import {absolute, ago, brief, duration, shortId} from './format.js';
import {Lanes} from './lanes.js';
import {GROUPS, statusChip} from './status.js';
import {followEvents} from './stream.js';
import {MAX_CHILDREN, Track} from './tracks.js';

const REFRESH_MS = 300;
const LOOK_AGAIN_MS = 2000;

export class RunPage {
  #api;
  #runId;
  #stop = new AbortController();
  #track;
  #fork = {supported: false, modes: [], why: 'Discovery has not been read.'};
  #followed = false;
  #status = '';
  #stream = h('span.live', {hidden: true});
  #head = h('div.run-head');
  #problem = h('div', {role: 'alert'});
  #timers = [];
  #refreshing = null;
  #again = false;

  constructor(api, runId, {answer = false, at = null} = {}) {
    this.#api = api;
    this.#runId = runId;
    this.wantsAnswer = answer;
    this.wantsEvent = at;
    this.title = `Run ${shortId(runId)}`;
    this.element = h('div.run-page', {'aria-busy': 'true'}, h('p.empty', null, 'Loading the run…'));
  }

  async start() {
    const {signal} = this.#stop;
    this.#track = new Track(this.#api, this.#runId, 0);
    const [snapshot, discovery] = await Promise.all([this.#track.refresh(signal), this.#api.discovery(signal).catch(() => null)]);
    this.#fork = forkSupport(discovery);
    this.title = `${snapshot.workflowId} ${shortId(this.#runId)}`;
    this.#build();
    const log = this.#track.log;
    log.observers.push(() => this.#grown());
    const complete = await log.load(signal);
    this.element.removeAttribute('aria-busy');
    this.#draw();
    if (this.wantsEvent !== null && this.wantsEvent < log.count) this.list.select(this.wantsEvent);
    if (this.wantsAnswer) this.cards.focus();
    this.#timers.push(setInterval(() => this.#tick(), 1000));
    if (complete || log.truncated) return this.#ended();
    this.list.follow();
    this.#timers.push(setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS));
    this.#follow().catch((error) => {
      if (!signal.aborted) this.#fail(error);
    });
  }

  stop() {
    this.#stop.abort(new DOMException('left the page', 'AbortError'));
    for (const timer of this.#timers) clearInterval(timer);
  }

  #build() {
    const {log} = this.#track;
    this.cards = new AnswerCards({
      send: (entry, value) => this.#answer(entry, value),
      describe: (entry) => [
        entry.depth > 0 && ['child run ', h('a', {href: `#/runs/${entry.runId}`}, entry.workflowId), ' · '],
        h('span.event-node', null, entry.nodeId),
        entry.interrupt.requestedAt && ` · asked ${ago(Date.parse(entry.interrupt.requestedAt))}`,
        entry.interrupt.timeoutMs > 0 && entry.interrupt.requestedAt &&
          ` · until ${absolute(Date.parse(entry.interrupt.requestedAt) + entry.interrupt.timeoutMs)}`,
        entry.interrupt.data?.requiredApprovals > 1 && ` · ${entry.interrupt.data.requiredApprovals} approvals are needed`,
      ],
    });
    this.lanes = new Lanes({
      onPick: ({runId, sequence}) => this.#pick(runId, sequence),
      onNode: ({runId, nodeId}) => this.#filterNode(runId, nodeId),
      onToggle: (runId) => this.#toggle(runId),
    });
    this.list = new EventList(log, {onSelect: (sequence) => this.#select(sequence), onOpen: () => this.detail.focus()});
    this.detail = new EventDetail(log, {
      begun: () => this.#begun(),
      forkControl: (sequence) => forkControl(this.#fork, sequence, (request) => this.#forkRun(request)),
      onSelect: (sequence) => this.list.select(sequence),
      onClose: () => this.#unselect(),
    });
    this.filter = h('input', {
      type: 'search', id: 'event-filter', placeholder: 'Type or node', 'aria-label': 'Filter events by type or node',
      'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false', oninput: () => this.#applyFilter(),
    });
    this.groups = h('select', {id: 'event-group', 'aria-label': 'Kind of events', onchange: () => this.#applyFilter()},
      h('option', {value: ''}, 'All events'), GROUPS.map(([id, text]) => h('option', {value: id}, text)));
    this.nodeChip = h('button.chip-button', {type: 'button', hidden: true, onclick: () => this.#filterNode(this.#runId, '')});
    this.shown = h('span.hint', {id: 'event-count'});
    replace(this.element, this.#head, this.#problem, this.cards.element,
      h('section.lanes-panel', {'aria-label': 'Timeline'}, this.lanes.element),
      h('div.split', null,
        h('section.events', {'aria-label': 'Events of the run'},
          h('div.events-bar', {role: 'search'}, this.filter, this.groups, this.nodeChip, this.shown),
          this.list.element),
        this.detail.element));
    this.#drawHead();
  }

  // What a run began with is not in its log: the snapshot has it, unless an event has changed it since.
  #begun() {
    const changed = this.#track.log.state.variables;
    return Object.fromEntries(Object.entries(this.#track.snapshot.variables ?? {}).filter(([name]) => !Object.hasOwn(changed, name)));
  }

  // ---- following ----

  async #follow() {
    await followEvents(this.#api, this.#runId, this.#track.log.count - 1, {
      signal: this.#stop.signal,
      onState: (state) => this.#showStream(state),
      onEvents: (events) => {
        this.#track.log.append(events);
        this.#refreshSoon();
        if (this.#track.log.truncated) this.#ended();
      },
    });
    this.#ended();
  }

  #showStream(state) {
    const texts = {live: 'Live', away: 'Connection lost; trying again', ended: ''};
    this.#stream.hidden = state === 'ended';
    this.#stream.dataset.state = state;
    setText(this.#stream, texts[state]);
    if (state === 'away' && this.#followed) announce('The connection is lost. Trying again.');
    this.#followed = true;
  }

  #ended() {
    this.#stream.hidden = true;
    if (this.#track.log.truncated) {
      replace(this.#problem, h('p.notice', null, `Only the first ${MAX_EVENTS} events of this run are shown.`));
    }
    this.#refreshSoon();
  }

  // The snapshot tells what no public event does: the status that a waiting child gives its parent, and the children.
  #refreshSoon() {
    this.#again = true;
    if (this.#refreshing) return;
    this.#refreshing = (async () => {
      while (this.#again && !this.#stop.signal.aborted) {
        this.#again = false;
        await this.#track.refresh(this.#stop.signal);
        this.#draw();
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
    })().catch((error) => {
      if (!this.#stop.signal.aborted) this.#fail(error);
    }).finally(() => { this.#refreshing = null; });
  }

  #lookAgain() {
    const lives = [...this.#track.all()].some((track) => track.depth > 0 && !isTerminal(track.status));
    if (lives && document.visibilityState === 'visible') this.#refreshSoon();
  }

  #grown() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }
  #drawing = false;

  #tick() {
    if (document.visibilityState !== 'visible') return;
    this.#drawHead();
    if (!isTerminal(this.#track.status)) this.#drawLanes();
  }

  // ---- drawing ----

  #draw() {
    if (this.#stop.signal.aborted) return;
    this.#drawHead();
    this.#drawLanes();
    this.list.grown();
    this.#drawCount();
    this.cards.update(this.#track.pending());
  }

  #drawLanes() {
    this.lanes.update({run: this.#track, now: Date.now()});
  }

  #drawCount() {
    const {count} = this.#track.log;
    setText(this.shown, this.list.length === count ? `${count} events` : `${this.list.length} of ${count} events`);
  }

  #drawHead() {
    const snapshot = this.#track.snapshot;
    const folded = this.#track.log.state.status;
    // The log is ahead of the snapshot when the run has just ended.
    const status = isTerminal(folded) ? folded : snapshot.status;
    this.#track.status = status;
    if (this.#status && status !== this.#status) announce(`The run is now ${status.replace('-', ' ')}.`);
    const started = Date.parse(snapshot.startedAt);
    const last = this.#track.log.count > 0 ? this.#track.log.time(this.#track.log.count - 1) : started;
    const ended = isTerminal(status) ? last : NaN;
    const took = (Number.isFinite(ended) ? ended : Date.now()) - started;
    if (!this.headParts) this.#buildHead(snapshot);
    const parts = this.headParts;
    if (status !== this.#status) replace(parts.status, statusChip(status));
    this.#status = status;
    setText(parts.took, duration(took));
    setText(parts.ago, ago(started));
    const children = snapshot.childRuns?.length ?? 0;
    parts.children.hidden = children === 0;
    setText(parts.children.lastChild, children > MAX_CHILDREN ? `${children}, the first ${MAX_CHILDREN} are drawn` : String(children));
    const failure = snapshot.error ?? this.#track.log.state.error;
    if (failure && parts.error.childElementCount === 0) {
      append(parts.error, [h('strong', null, String(failure.code ?? 'failed')), ' ', h('span', null, String(failure.message ?? ''))]);
      parts.error.hidden = false;
    }
  }

  #buildHead(snapshot) {
    const started = Date.parse(snapshot.startedAt);
    this.headParts = {status: h('span'), took: h('dd'), ago: h('span'), error: h('p.problem', {hidden: true}),
      children: h('div', {hidden: true}, h('dt', null, 'Children'), h('dd'))};
    const parts = this.headParts;
    const source = snapshot.sourceRunId;
    const facts = [
      h('div', null, h('dt', null, 'Started'), h('dd', null, h('time', {datetime: snapshot.startedAt ?? ''}, absolute(started)), ' (', parts.ago, ')')),
      h('div', null, h('dt', null, 'Took'), parts.took),
      parts.children,
      snapshot.parentRunId && h('div', null, h('dt', null, 'Child of'),
        h('dd', null, h('a', {href: `#/runs/${snapshot.parentRunId}`}, shortId(snapshot.parentRunId)), ` · ${snapshot.parentNodeId ?? ''}`)),
      source && h('div', null, h('dt', null, 'Forked from'),
        h('dd', null, h('a', {href: `#/runs/${source}`}, shortId(source)), Number.isInteger(snapshot.fromSeq) && ` at #${snapshot.fromSeq}`, snapshot.forkMode && ` · ${snapshot.forkMode}`)),
      snapshot.tags?.length > 0 && h('div', null, h('dt', null, 'Tags'),
        h('dd', null, snapshot.tags.map((tag) => h('a.tag', {href: `#/runs?${new URLSearchParams({tag})}`}, tag)))),
      snapshot.metadata && h('div', null, h('dt', null, 'Metadata'),
        h('dd', null, Object.entries(snapshot.metadata).map(([name, value]) => h('span.tag', null, `${name}: ${typeof value === 'string' ? value : brief(value)}`)))),
    ];
    replace(this.#head,
      h('nav.crumbs', {'aria-label': 'Path'}, h('a', {href: '#/runs'}, 'Runs'), h('span', {'aria-hidden': 'true'}, ' / '),
        h('a', {href: `#/runs?${new URLSearchParams({workflowId: snapshot.workflowId})}`}, snapshot.workflowId)),
      h('div.run-title', null, h('h1', null, snapshot.workflowId), parts.status, this.#stream,
        h('code.run-id', {title: 'Run id'}, this.#runId)),
      h('dl.facts', null, facts), parts.error);
  }

  #fail(error) {
    const where = error instanceof ApiError && error.status === 401 ? 'The key is not accepted any more' : 'The page is not up to date';
    replace(this.#problem, h('p.problem', null, `${where}: ${error.message}. `,
      h('button', {type: 'button', onclick: () => location.reload()}, 'Load again')));
    this.#stream.hidden = true;
  }

  // ---- what the user does ----

  #applyFilter() {
    this.list.setFilter({text: this.filter.value.trim().toLowerCase(), group: this.groups.value});
    this.#drawCount();
  }

  #filterNode(runId, nodeId) {
    if (runId !== this.#runId) {
      location.hash = `#/runs/${runId}`;
      return;
    }
    this.list.setFilter({node: nodeId});
    this.nodeChip.hidden = nodeId === '';
    replace(this.nodeChip, 'Node ', h('b', null, nodeId), ' ×');
    this.nodeChip.setAttribute('aria-label', `Remove the filter for the node ${nodeId}`);
    this.#drawCount();
  }

  #pick(runId, sequence) {
    if (runId === this.#runId) this.list.select(sequence);
    else location.hash = `#/runs/${runId}?at=${sequence}`;
  }

  #toggle(runId) {
    const track = this.#track.find(runId);
    if (!track) return;
    track.open = !track.open;
    this.#drawLanes();
    if (track.open) this.#refreshSoon();
  }

  #select(sequence) {
    const {log} = this.#track;
    this.lanes.setCursor({time: log.time(sequence), sequence});
    this.element.classList.add('has-selection');
    void this.detail.show(sequence);
    announce(`Event ${sequence}, ${log.type(sequence)} ${log.node(sequence)}`);
  }

  #unselect() {
    this.list.clearSelection();
    this.lanes.setCursor(null);
    this.detail.clear();
    this.element.classList.remove('has-selection');
    this.list.element.focus();
  }

  async #answer(entry, value) {
    const answered = await this.#api.resolve(entry.runId, entry.nodeId, value);
    announce(`Answered. The run is now ${String(answered.status).replace('-', ' ')}.`);
    this.#refreshSoon();
  }

  async #forkRun(request) {
    const made = await this.#api.fork(this.#runId, request);
    location.hash = `#/runs/${made.runId}`;
  }

  /** True when the key was for this page. */
  onKey(event) {
    if (!this.list) return false;
    if (event.key === 'Escape') return this.#escape(event);
    if (isTyping(event)) return false;
    const onControl = event.target instanceof HTMLElement && event.target.closest('button, a, summary, [role="tab"], .detail-body');
    const moves = {j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity};
    if (Object.hasOwn(moves, event.key)) {
      // Arrows and the like scroll where something else has the focus.
      if (event.key.length > 1 && onControl) return false;
      this.list.move(moves[event.key] === Infinity ? this.list.length : moves[event.key] === -Infinity ? -this.list.length : moves[event.key]);
      return true;
    }
    switch (event.key) {
      case '/':
        this.filter.focus();
        this.filter.select();
        return true;
      case 'Enter':
        if (onControl || this.list.selected < 0) return false;
        this.detail.focus();
        return true;
      case 'a':
        return this.cards.focus();
      case 'f':
        document.getElementById('fork-button')?.click();
        return true;
      default:
        return false;
    }
  }

  #escape(event) {
    if (event.target.closest?.('dialog[open]')) return false;
    if (event.target === this.filter && this.filter.value !== '') {
      this.filter.value = '';
      this.#applyFilter();
    } else if (isTyping(event)) {
      this.list.element.focus();
    } else if (this.detail.contains(document.activeElement)) {
      this.list.element.focus();
    } else if (this.list.selected >= 0) {
      this.#unselect();
    } else if (!this.nodeChip.hidden) {
      this.#filterNode(this.#runId, '');
    } else {
      location.hash = '#/runs';
    }
    return true;
  }
}
