// The lanes: one row for the run, one for each of its nodes, and below a node those of the runs that it has started.
// A bar is an execution; the hatched part of it waited. Rows and bars are kept and moved, not made anew, so that a live
// run does not take the focus away from what somebody looks at.
import {Axis} from './axis.js';
import {h, replace, setText} from './dom.js';
import {absolute, duration, offset, shortId} from './format.js';
import {toneOf} from './status.js';

const MAX_LANES = 150;
/** Room for one time on the ruler. */
const TICK_PX = 130;

const percent = (share) => `${(share * 100).toFixed(4)}%`;

export class Lanes {
  #axisKind = 'time';
  #rows = new Map();  // key -> row
  #root;
  #ruler;
  #grid = h('div.grid');
  #body;
  #cursor;
  #more;
  #limit = MAX_LANES;
  #axis = null;
  #model = null;
  #cursorAt = null;
  #ticksDrawn = '';

  /**
   * `onPick({runId, sequence})`: a bar was clicked; `onNode({runId, nodeId})`: a label; `onToggle(runId)`: a child run
   * was folded or unfolded.
   */
  constructor({onPick, onNode, onToggle}) {
    this.onPick = onPick;
    this.onNode = onNode;
    this.onToggle = onToggle;
    this.#ruler = h('div.ruler', {'aria-hidden': 'true'});
    this.#body = h('div.lane-rows', {role: 'list', 'aria-label': 'Nodes of the run'});
    this.#cursor = h('div.cursor', {'aria-hidden': 'true', hidden: true}, h('span'));
    this.#more = h('button.link.lanes-more', {
      type: 'button', hidden: true,
      onclick: () => {
        this.#limit += MAX_LANES;
        this.update(this.#model);
      },
    });
    const scale = h('div.switch', {role: 'group', 'aria-label': 'Scale of the timeline'},
      ['time', 'order'].map((kind) => h('button', {
        type: 'button', 'aria-pressed': String(kind === this.#axisKind), dataset: {kind},
        onclick: () => this.#setAxis(kind),
      }, kind === 'time' ? 'Time' : 'Order')));
    this.scale = scale;
    this.#root = h('div.lanes', {tabindex: '-1'},
      h('div.lanes-head', null, h('div.lane-label', null, scale), h('div.lane-track', null, this.#ruler)),
      h('div.lanes-body', null, h('div.lane-layer', {'aria-hidden': 'true'}, this.#grid), this.#body,
        h('div.lane-layer', {'aria-hidden': 'true'}, this.#cursor)),
      this.#more);
  }

  get element() {
    return this.#root;
  }

  #setAxis(kind) {
    this.#axisKind = kind;
    for (const button of this.scale.children) {
      button.setAttribute('aria-pressed', String(button.dataset.kind === kind));
    }
    this.update(this.#model);
  }

  /**
   * `model`: {run: Track, now}, where a Track is {runId, workflowId, spans, count, depth, children: Map(nodeId -> [Track]),
   * open, status}. A child is drawn on its parent's time; on the scale of events it has none of its own to share, so
   * there it spans the node that started it.
   */
  update(model) {
    if (!model || !Number.isFinite(model.run.spans.run.from)) return;
    this.#model = model;
    const {run} = model.run.spans;
    this.#axis = new Axis(this.#axisKind, {from: run.from, to: run.to ?? model.now, count: Math.max(model.run.count - 1, 1)});
    this.#drawRuler();
    const wanted = [];
    this.#collect(model.run, null, wanted);
    const shown = wanted.slice(0, this.#limit);
    this.#more.hidden = wanted.length === shown.length;
    setText(this.#more, `${wanted.length - shown.length} more lanes`);
    const keys = new Set(shown.map((lane) => lane.key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    shown.forEach((lane, index) => {
      const row = this.#row(lane);
      if (this.#body.children[index] !== row.element) {
        this.#body.insertBefore(row.element, this.#body.children[index] ?? null);
      }
      this.#drawRow(row, lane);
    });
    this.#drawCursor();
  }

  #collect(track, frame, out) {
    const span = track.spans.run;
    out.push({
      key: track.runId, track, kind: 'run', depth: track.depth, label: track.workflowId, title: track.runId,
      spans: [{...span, status: span.to === null ? 'running' : span.status}], frame, foldable: track.depth > 0,
    });
    if (!track.open) return;
    for (const lane of track.spans.lanes.values()) {
      if (lane.spans.length === 0) continue;
      const children = track.children.get(lane.id) ?? [];
      out.push({
        key: `${track.runId} ${lane.id}`, track, kind: 'node', depth: track.depth + 1, label: lane.id,
        title: lane.typeId, spans: lane.spans, frame, nodeId: lane.id,
      });
      const last = lane.spans.at(-1);
      for (const child of children) this.#collect(child, frame ?? last, out);
    }
    for (const child of track.children.get('') ?? []) this.#collect(child, frame, out);
  }

  #row(lane) {
    let row = this.#rows.get(lane.key);
    if (row) return row;
    const label = h('div.lane-label');
    const track = h('div.lane-track');
    row = {element: h(`div.lane.lane-${lane.kind}`, {role: 'listitem'}, label, track), label, track, bars: [], text: null};
    label.style.setProperty('--depth', lane.depth);
    if (lane.foldable) {
      row.fold = h('button.fold', {type: 'button', onclick: () => this.onToggle(lane.track.runId)});
      label.append(row.fold, h('a.lane-name', {href: `#/runs/${lane.track.runId}`, title: lane.title}, lane.label),
        h('span.lane-type', null, `child ${shortId(lane.track.runId)}`));
    } else if (lane.kind === 'run') {
      label.append(h('span.lane-name', {title: lane.title}, lane.label), h('span.lane-type', null, 'run'));
    } else {
      row.text = h('span.lane-type');
      label.append(h('button.lane-name', {
        type: 'button', title: `Only the events of ${lane.label}`,
        onclick: () => this.onNode({runId: lane.track.runId, nodeId: lane.nodeId}),
      }, lane.label), row.text);
    }
    this.#rows.set(lane.key, row);
    return row;
  }

  #drawRow(row, lane) {
    if (row.text) setText(row.text, lane.title);
    if (row.fold) {
      row.fold.setAttribute('aria-expanded', String(lane.track.open));
      row.fold.setAttribute('aria-label', `Nodes of the child run ${lane.label}`);
    }
    while (row.bars.length > lane.spans.length) row.bars.pop().element.remove();
    lane.spans.forEach((span, index) => {
      const bar = row.bars[index] ?? this.#bar(row, lane);
      row.bars[index] = bar;
      this.#drawBar(bar, lane, span);
    });
  }

  #bar(row, lane) {
    const bar = {span: null, waits: []};
    bar.text = h('span.bar-text');
    bar.element = h('button.bar', {
      type: 'button', tabindex: '-1',
      onclick: () => this.onPick({runId: lane.track.runId, sequence: bar.span.fromSequence}),
    }, bar.text);
    row.track.append(bar.element);
    return bar;
  }

  #extent(span, frame) {
    if (this.#axis.kind === 'order' && frame) span = frame;
    const from = this.#axis.place(span.from, span.fromSequence);
    return [from, Math.max(this.#axis.place(span.to ?? this.#model.now, span.toSequence), from)];
  }

  #drawBar(bar, lane, span) {
    bar.span = span;
    const [from, to] = this.#extent(span, lane.frame);
    const style = bar.element.style;
    style.left = percent(from);
    style.width = percent(to - from);
    bar.element.dataset.tone = toneOf(span.status);
    bar.element.classList.toggle('lasting', span.to === null);
    const took = (span.to ?? this.#model.now) - span.from;
    // The text stands beside the bar, on the side that has room; inside when none has.
    bar.element.dataset.text = to < 0.9 ? 'after' : from > 0.1 ? 'before' : 'inside';
    setText(bar.text, took >= 1 ? duration(took) : '');
    const attempt = span.attempt > 0 ? `, attempt ${span.attempt + 1}` : '';
    const what = `${lane.label}: ${span.status}${attempt}, ${offset(span.from - this.#axis.from)}, took ${duration(took)}`;
    bar.element.setAttribute('aria-label', what);
    bar.element.title = `${what}\n${absolute(span.from)}`;
    const waits = this.#axis.kind === 'order' && lane.frame ? [] : span.waits;
    while (bar.waits.length > waits.length) bar.waits.pop().remove();
    waits.forEach((wait, index) => {
      const element = bar.waits[index] ?? h('span.bar-wait');
      if (!bar.waits[index]) bar.element.append(element);
      bar.waits[index] = element;
      const [start, end] = this.#extent(wait, null);
      const width = Math.max(to - from, 1e-9);
      element.style.left = percent((start - from) / width);
      element.style.width = percent(Math.max(end - start, 0) / width);
    });
  }

  #drawRuler() {
    const text = (value) => (this.#axis.kind === 'time' ? offset(value) : `#${Math.round(value)}`);
    const ticks = this.#axis.ticks(Math.floor(this.#ruler.clientWidth / TICK_PX));
    const key = JSON.stringify(ticks);
    if (key === this.#ticksDrawn) return;
    this.#ticksDrawn = key;
    const marks = (fill) => ticks.map((tick) => {
      const mark = h('span.tick', null, fill(tick));
      mark.style.left = percent(tick.at);
      if (tick.at > 0.94) mark.classList.add('last');
      return mark;
    });
    replace(this.#ruler, marks((tick) => h('span', null, text(tick.value))));
    replace(this.#grid, marks(() => null));
  }

  /** Marks the moment of an event of the run; null: none. */
  setCursor(event) {
    this.#cursorAt = event;
    this.#drawCursor();
  }

  #drawCursor() {
    this.#cursor.hidden = !this.#cursorAt || !this.#axis;
    if (this.#cursor.hidden) return;
    this.#cursor.style.left = percent(this.#axis.place(this.#cursorAt.time, this.#cursorAt.sequence));
  }
}
