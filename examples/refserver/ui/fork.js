// "Fork from here": a new run with the events before this one as its past. Offered as discovery says.
import {h, replace} from './dom.js';

const kModes = {
  branch: ['Branch', 'goes its own way from here: nodes run anew, for real'],
  replay: ['Replay', 'does again what the source did, with the results that it recorded'],
};

/** {supported, modes, why} */
export function forkSupport(discovery) {
  const replay = discovery?.replay ?? {};
  const modes = (Array.isArray(replay.modes) ? replay.modes : []).filter((mode) => Object.hasOwn(kModes, mode));
  if (replay.supported === true && modes.length > 0) return {supported: true, modes, why: ''};
  return {supported: false, modes: [], why: 'not supported by this host'};
}

/** What stands at an event. `onFork(request)` resolves when the new run is there; its failure is shown. */
export function forkControl(support, sequence, onFork) {
  if (!support.supported) {
    return h('div.fork-off', null,
      h('button', {type: 'button', disabled: true, 'aria-describedby': 'fork-why'}, 'Fork from here'),
      h('span.hint', {id: 'fork-why'}, support.why));
  }
  return h('button.fork', {type: 'button', id: 'fork-button', 'aria-keyshortcuts': 'f', onclick: () => openForkDialog(support, sequence, onFork)},
    'Fork from here');
}

function openForkDialog(support, sequence, onFork) {
  const problem = h('p.problem', {role: 'alert', hidden: true});
  const overlay = h('textarea.code', {id: 'fork-overlay', rows: 4, spellcheck: 'false', placeholder: '{"configurable": {}, "tags": []}'});
  const overlayField = h('div.field', null, h('label', {for: 'fork-overlay'}, 'Options that differ (JSON, may stay empty)'), overlay);
  const modes = h('fieldset', null, h('legend', null, 'Mode'), support.modes.map((mode, index) => h('label.choice', null,
    h('input', {type: 'radio', name: 'mode', value: mode, checked: index === support.modes.length - 1, autofocus: index === support.modes.length - 1, onchange: () => adapt()}),
    h('span', null, h('strong', null, kModes[mode][0]), ` ${kModes[mode][1]}`))));
  const submit = h('button.primary', {type: 'submit'}, 'Fork');
  const form = h('form', null, h('h2', {id: 'fork-title'}, `Fork from event #${sequence}`),
    h('p', null, sequence === 0 ? 'The new run begins with the same inputs and nothing else.'
      : `The new run keeps the events before #${sequence}${sequence === 1 ? '' : ` (#0 to #${sequence - 1})`} and goes on from there. The source stays as it is.`),
    modes, overlayField, problem,
    h('div.answer-buttons', null, submit, h('button', {type: 'button', onclick: () => dialog.close()}, 'Cancel')));
  const dialog = h('dialog.fork-dialog', {'aria-labelledby': 'fork-title'}, form);
  const chosen = () => form.elements.mode.value;
  const adapt = () => { overlayField.hidden = chosen() !== 'branch'; };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    problem.hidden = true;
    submit.disabled = true;
    try {
      const request = {mode: chosen(), fromSeq: sequence};
      if (request.mode === 'branch' && overlay.value.trim() !== '') request.runOptionsOverlay = JSON.parse(overlay.value);
      await onFork(request);
      dialog.close();
    } catch (error) {
      replace(problem, error instanceof SyntaxError ? `The options are no JSON: ${error.message}` : error.message);
      problem.hidden = false;
    }
    submit.disabled = false;
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  adapt();
  dialog.showModal();
}
