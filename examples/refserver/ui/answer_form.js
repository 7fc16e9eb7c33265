// The form that answers an interrupt. Each kind has its own; for all of them the answer can be written as JSON instead.
import {ApiError} from './api.js';
import {append, h} from './dom.js';
import {jsonView} from './json_view.js';
import {fieldFor, inputFields} from './fields.js';

const kActions = {
  accept: ['Approve', 'primary'], reject: ['Reject', 'danger'], refine: ['Ask for changes', ''],
  'edit-accept': ['Approve as edited', ''], ask: ['Ask a question', ''],
};
const COMMENT_HINTS = {refine: 'what should change', ask: 'your question'};

let lastId = 0;

/**
 * `interrupt`: the payload of interrupt.requested. `send(value)` posts the answer; the form shows what goes wrong, and
 * stays until the run's events take it away.
 */
export function answerForm(interrupt, send) {
  const id = `answer-${++lastId}`;
  const data = interrupt.data ?? {};
  const problem = h('p.problem', {role: 'alert', hidden: true});
  const form = h('form.answer-form', {'aria-label': `Answer to ${titleOf(interrupt)}`});
  const say = (text) => {
    problem.hidden = !text;
    problem.textContent = text;
  };
  const submit = async (read) => {
    let value;
    try {
      value = read();
    } catch (error) {
      return say(error.message);
    }
    say('');
    const controls = [...form.elements];
    for (const control of controls) control.disabled = true;
    try {
      await send(value);
      form.classList.add('sent');
    } catch (error) {
      say(error instanceof ApiError ? explain(error) : error.message);
    }
    for (const control of controls) control.disabled = false;
    // Votes and questions leave the form as it is, for the next one.
    for (const control of controls) if (control.dataset.once) control.value = '';
  };
  const kind = String(interrupt.kind ?? '');
  const make = makers[kind] ?? makers.custom;
  const buttons = h('div.answer-buttons');
  const fields = h('div.answer-fields');
  make({id, data, interrupt, fields, buttons, submit});
  form.addEventListener('submit', (event) => event.preventDefault());
  append(form, [fields, buttons, asJson(id, interrupt, submit), problem]);
  return form;
}

export function titleOf(interrupt) {
  const data = interrupt.data ?? {};
  return String(data.title ?? data.prompt ?? data.eventType ?? data.customKind ??
    (data.questions?.length > 0 ? data.questions[0].question : interrupt.kind ?? 'an interrupt'));
}

function explain(error) {
  const known = {
    403: 'this key may not answer it', 404: 'it is gone', 409: 'somebody else has answered it', 410: 'it is over',
  };
  return [known[error.status], error.message].filter(Boolean).join(': ');
}

const button = (text, style, read, submit) => h('button', {
  type: 'button', class: style, onclick: () => submit(read),
}, text);

const makers = {
  approval({id, data, fields, buttons, submit}) {
    const actions = Array.isArray(data.actions) && data.actions.length > 0 ? data.actions : ['accept', 'reject'];
    if (data.artifactData !== undefined) {
      fields.append(h('details.artifact', {open: true}, h('summary', null, `To approve: ${data.artifactType ?? 'artifact'}`),
        jsonView(data.artifactData, {label: 'What is to be approved'})));
    }
    const uses = actions.filter((action) => COMMENT_HINTS[action]).map((action) => COMMENT_HINTS[action]);
    const comment = h('textarea', {id: `${id}-comment`, rows: 2, 'data-once': 'true'});
    append(fields, [h('label', {for: comment.id}, 'Comment', uses.length > 0 && ` (${uses.join(', or ')})`), comment]);
    let edited = null;
    if (actions.includes('edit-accept')) {
      edited = h('textarea.code', {id: `${id}-edited`, rows: 5, spellcheck: 'false'});
      edited.value = JSON.stringify(data.artifactData ?? {}, null, 2);
      append(fields, [h('label', {for: edited.id}, 'As edited (JSON)'), edited]);
    }
    const needed = (text) => {
      if (comment.value.trim() === '') throw new Error(`Write ${text} first.`);
      return comment.value.trim();
    };
    const optional = () => (comment.value.trim() === '' ? {} : {feedback: comment.value.trim()});
    const readers = {
      accept: () => ({action: 'accept', ...optional()}),
      reject: () => ({action: 'reject', ...optional()}),
      refine: () => ({action: 'refine', refineFeedback: {scope: 'whole', text: needed('what should change')}}),
      'edit-accept': () => ({action: 'edit-accept', editedArtifactData: parsed(edited.value), ...optional()}),
      ask: () => ({action: 'ask', question: needed('your question')}),
    };
    for (const action of actions) {
      if (!Object.hasOwn(readers, action)) continue;
      const [text, style] = kActions[action];
      buttons.append(button(text, style, readers[action], submit));
    }
  },

  clarification({id, data, fields, buttons, submit}) {
    const questions = Array.isArray(data.questions) ? data.questions : [];
    const read = questions.map((question, index) => {
      const field = fieldFor(`${id}-${index}`, question.question, question.schema ?? {type: 'string'}, {required: true});
      fields.append(field.element);
      return [question.id, field.read];
    });
    buttons.append(button('Answer', 'primary', () => ({answers: Object.fromEntries(read.map(([key, get]) => [key, get()]))}), submit));
  },

  'external-event'({id, data, fields, buttons, submit}) {
    const event = jsonArea(`${id}-event`, `Event ${data.eventType ?? ''} (JSON); it has to match the correlation`, data.correlation ?? {});
    append(fields, [event.elements]);
    buttons.append(button('Deliver the event', 'primary', event.read, submit));
  },

  'conversation.exchange'({id, data, interrupt, fields, buttons, submit}) {
    if (data.prompt) fields.append(h('blockquote', null, String(data.prompt)));
    const text = h('textarea', {id: `${id}-turn`, rows: 3, 'data-once': 'true'});
    append(fields, [h('label', {for: text.id}, 'Your turn'), text]);
    const turn = () => {
      if (text.value.trim() === '') throw new Error('Write something first.');
      const index = Number.isInteger(data.turnIndex) ? data.turnIndex : 1;
      return {messageId: `${data.conversationId ?? interrupt.interruptId}:${Date.now()}:user`.slice(-256), from: 'user', role: 'user',
        content: text.value.trim(), ts: Date.now(), turnIndex: index};
    };
    buttons.append(button('Send and go on talking', 'primary', () => ({operation: 'exchange', turn: turn()}), submit),
      button('Send as the last word', '', () => text.value.trim(), submit),
      button('Close', '', () => ({operation: 'close', outcome: text.value.trim() || null}), submit));
  },

  'low-confidence'({data, fields, buttons, submit}) {
    append(fields, [h('p', null, `${data.agentId ?? 'The agent'} is ${data.observed} sure of its decision; ${data.threshold} is wanted.`),
      data.decision !== undefined && jsonView(data.decision, {label: 'The decision'})]);
    buttons.append(button('Let it stand', 'primary', () => ({action: 'accept'}), submit),
      button('Reject', 'danger', () => ({action: 'reject'}), submit));
  },

  custom({id, data, interrupt, fields, buttons, submit}) {
    if (data.payload !== undefined) fields.append(jsonView(data.payload, {label: 'Payload'}));
    const form = inputFields(id, interrupt.resumeSchema);
    if (form) {
      append(fields, [form.elements]);
      buttons.append(button('Answer', 'primary', form.read, submit));
      return;
    }
    const value = jsonArea(`${id}-value`, 'Answer (JSON)', {});
    append(fields, [value.elements]);
    buttons.append(button('Answer', 'primary', value.read, submit));
  },
};

function jsonArea(id, label, content) {
  const area = h('textarea.code', {id, rows: 5, spellcheck: 'false'});
  area.value = JSON.stringify(content, null, 2);
  return {elements: [h('label', {for: id}, label), area], read: () => parsed(area.value)};
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
}

function asJson(id, interrupt, submit) {
  const details = h('details.as-json', null, h('summary', null, 'Answer as JSON'));
  details.addEventListener('toggle', () => {
    if (details.childElementCount > 1) return;
    const example = interrupt.kind === 'approval' ? {action: 'accept'} : {};
    const area = jsonArea(`${id}-json`, 'resumeValue', example);
    append(details, [area.elements,
      interrupt.resumeSchema && h('details', null, h('summary', null, 'Schema of the answer'), jsonView(interrupt.resumeSchema, {label: 'Schema'})),
      h('div.answer-buttons', null, button('Send', '', area.read, submit))]);
  });
  return details;
}

/** Fills a container with one card for each interrupt; a card that is there stays as it is, with what was typed in. */
export class AnswerCards {
  #cards = new Map();
  constructor({send, describe}) {
    this.send = send;
    this.describe = describe;
    this.element = h('section.answers', {'aria-label': 'Waiting for an answer', hidden: true});
  }

  /** `pending`: [{runId, nodeId, interrupt}] */
  update(pending) {
    const keys = new Set();
    for (const entry of pending) {
      const key = `${entry.runId} ${entry.interrupt.interruptId}`;
      keys.add(key);
      if (this.#cards.has(key)) continue;
      const card = this.#card(entry);
      this.#cards.set(key, card);
      this.element.append(card);
    }
    for (const [key, card] of this.#cards) {
      if (keys.has(key)) continue;
      card.remove();
      this.#cards.delete(key);
    }
    this.element.hidden = this.#cards.size === 0;
  }

  focus() {
    const control = this.element.querySelector('.answer-fields :is(input, textarea, select), .answer-buttons button');
    control?.focus();
    control?.scrollIntoView({block: 'nearest'});
    return control !== null;
  }

  #card(entry) {
    const {interrupt} = entry;
    return h('article.answer', null,
      h('div.answer-head', null, h('span.chip', {dataset: {tone: 'wait'}}, h('span.dot', {'aria-hidden': 'true'}), String(interrupt.kind ?? 'waits')),
        h('h2', null, titleOf(interrupt)), h('p.answer-facts', null, this.describe(entry))),
      interrupt.data?.description && h('p.answer-text', null, String(interrupt.data.description)),
      answerForm(interrupt, (value) => this.send(entry, value)));
  }
}
