// The timeline page in a real browser against the real server.
//
//   node timeline_test.mjs SERVER_BINARY SOURCE_FOLDER CHROMIUM [PICTURE.png]
//
// OPENWOP_UI_CASES=TEXT: only the cases with the text in their name.
import {Browser, KEY, READ_ONLY_KEY, Server, check, equal, eventually, runCases} from './harness.mjs';
import {checkBasics, contrasts} from './access.mjs';

const [binary, source, chromiumPath, picture] = process.argv.slice(2);
const server = await new Server({binary, source}).start();
const browser = await new Browser().start(chromiumPath, server);

const kMissing = (status) => `status of ${status}`;
const chip = '.run-title .chip';

async function showsStatus(page, text) {
  await page.locator(chip, {hasText: text}).waitFor();
}
/** Selects the first event of a type, which may be out of sight. */
async function openEvent(page, type) {
  await page.fill('#event-filter', type.toLowerCase());
  await page.locator('.event', {has: page.locator('.event-type', {hasText: new RegExp(`^${type}$`)})}).first().click();
  await page.fill('#event-filter', '');
}
/** A refund that waits for its approval. */
async function waitingRefund(more = {}) {
  const run = await server.create('refund', {fraudMs: 60, stockMs: 30, ...more.inputs}, more.options);
  await server.status(run, 'waiting-approval');
  return run;
}
async function finishedRefund() {
  const run = await waitingRefund();
  await server.resolve(run, 'approve', {action: 'accept'});
  await server.status(run, 'completed');
  return run;
}
const active = (page) => page.evaluate(() => document.activeElement.className || document.activeElement.id || document.activeElement.tagName);

const cases = [
  ['a wrong key, and one without the scope, are refused with a reason; a good one opens the list', async () => {
    browser.expected.add(kMissing(401)).add(kMissing(403));
    const page = await browser.at('', {key: null});
    const problem = page.locator('#key-problem');
    await page.fill('#key', 'no-such-key');
    await page.keyboard.press('Enter');
    await problem.getByText('does not know this key').waitFor();
    equal(await page.evaluate(() => sessionStorage.length), 0, 'what is kept of a wrong key');
    await page.fill('#key', 'ключ');
    await page.keyboard.press('Enter');
    await problem.getByText('no characters beyond ASCII').waitFor();
    await page.fill('#key', READ_ONLY_KEY);
    await page.keyboard.press('Enter');
    await problem.getByText('runs:read').waitFor();
    await page.fill('#key', KEY);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', {name: 'Runs', exact: true}).waitFor();
    equal(await page.evaluate(() => [Object.keys(localStorage).filter((name) => name.includes('key')), document.cookie]), [[], ''], 'where else the key is');
    await page.click('#forget-button');
    await page.locator('#key').waitFor();
    equal(await page.evaluate(() => sessionStorage.length), 0, 'what is kept of a forgotten key');
  }],

  ['the list is empty with a word at first, then shows runs, narrowed by each filter', async () => {
    const page = await browser.at('#/runs');
    await page.getByText('There are no runs yet').waitFor();
    await server.create('data-pipeline');
    const failed = await server.create('poll-until-ready', {readyAfter: 50, pauseMs: 1});
    await server.status(failed, 'failed');
    const tagged = await waitingRefund({options: {tags: ['eu']}});
    // The list looks again by itself.
    await page.locator(`tr[data-run="${tagged}"]`).waitFor();
    const shown = async () => page.locator('.runs tbody .workflow').allTextContents();
    check((await shown()).length >= 3, 'all runs are listed');
    const only = (workflows) => eventually(`the list to be ${workflows}`, async () => JSON.stringify(await shown()) === JSON.stringify(workflows));
    await page.selectOption('#filter-status', 'failed');
    await only(['poll-until-ready']);
    await page.selectOption('#filter-status', '');
    await page.fill('#filter-tag', 'eu');
    await page.keyboard.press('Enter');
    await only(['refund']);
    check(page.url().includes('tag=eu'), 'the filter is in the address');
    await page.reload();
    await only(['refund']);
    await page.getByRole('button', {name: 'Clear'}).click();
    await page.fill('#filter-workflowId', 'data-pipeline');
    await page.keyboard.press('Enter');
    await only(['data-pipeline']);
    await page.fill('#filter-createdFrom', '2099-01-01T00:00');
    await page.keyboard.press('Enter');
    await page.getByText('No run matches the filter').waitFor();
  }],

  ['older runs come by the cursor', async () => {
    await Promise.all(Array.from({length: 60}, () => server.create('order-fulfilment')));
    const page = await browser.at('#/runs?workflowId=order-fulfilment');
    await page.locator('.runs tbody tr').nth(49).waitFor();
    equal(await page.locator('.runs tbody tr').count(), 50, 'rows of the first page');
    await page.getByRole('button', {name: 'Older runs'}).click();
    await page.locator('.runs tbody tr').nth(59).waitFor();
    equal(await page.locator('.runs tbody tr').count(), 60, 'rows of both pages');
    check(await page.getByRole('button', {name: 'Older runs'}).isHidden(), 'there are no more');
  }],

  ['a finished run has a lane for each node, its events, and what each event changed', async () => {
    const run = await finishedRefund();
    const log = await server.call('GET', `/v1/runs/${run}/events`);
    const page = await browser.at(`#/runs/${run}`);
    await showsStatus(page, 'completed');
    await page.getByText(`${log.events.length} events`, {exact: true}).waitFor();
    const lanes = await page.locator('.lane-name').allTextContents();
    for (const node of ['received', 'fraud-check', 'stock-check', 'approve', 'payout', 'done']) check(lanes.includes(node), `a lane for ${node}`);
    const bar = page.locator('.lane', {hasText: 'approve'}).locator('.bar');
    check((await bar.getAttribute('aria-label')).startsWith('approve: completed'), 'the bar says what it is');
    check(await bar.locator('.bar-wait').count() === 1, 'the wait is hatched');

    await openEvent(page, 'variable.changed');
    const change = page.locator('.change').first();
    await change.getByText('variables.amount').waitFor();
    equal(await change.locator('.change-before').textContent(), '0', 'the value before');
    equal(await change.locator('.change-after').textContent(), '3980', 'the value behind');
    equal(await page.locator('.change').count(), 1, 'how much one event changed');
    check(await page.locator('.cursor').isVisible(), 'the moment is marked on the lanes');

    await page.getByRole('tab', {name: 'Payload'}).click();
    await page.locator('.json-key', {hasText: 'previous'}).waitFor();
    await page.getByRole('tab', {name: 'State'}).click();
    // What the run began with is in no event.
    await page.locator('.json-key', {hasText: 'orderId'}).waitFor();
    await page.locator('.json-string', {hasText: '"A-1042"'}).waitFor();

    await page.getByRole('tab', {name: 'Changes'}).click();
    await page.fill('#event-filter', 'channel');
    await page.getByText(`2 of ${log.events.length} events`).waitFor();
    await page.locator('.event').nth(1).click();
    await page.locator('.change-path', {hasText: 'channels.notes[1]'}).waitFor();

    await page.fill('#event-filter', '');
    await page.selectOption('#event-group', 'wait');
    await page.getByText(`4 of ${log.events.length} events`).waitFor();
    await page.selectOption('#event-group', '');
    await page.locator('button.lane-name', {hasText: 'stock-check'}).click();
    await page.getByText(`2 of ${log.events.length} events`).waitFor();
    await page.getByRole('button', {name: 'Remove the filter for the node stock-check'}).click();

    const width = async () => (await page.locator('.lane', {hasText: 'amount'}).locator('.bar').first().boundingBox()).width;
    const inTime = await width();
    await page.getByRole('button', {name: 'Order'}).click();
    check(await width() > inTime, 'the scale of events gives room to what took no time');
  }],

  ['the state behind the last event is that of the snapshot', async () => {
    const run = await server.create('nightly-report', {settleMs: 1});
    await server.status(run, 'completed');
    const snapshot = await server.call('GET', `/v1/runs/${run}`);
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.event').first().waitFor();
    const state = await page.evaluate(async ([id, variables]) => {
      const [{Api}, {EventLog}] = [await import('/ui/api.js'), await import('/ui/event_log.js')];
      const log = new EventLog(new Api(), id);
      await log.load();
      return (await log.statesAround(log.count - 1, variables)).after;
    }, [run, snapshot.variables]);
    equal(state.status, snapshot.status, 'status');
    equal(state.variables, snapshot.variables, 'variables');
    equal([...state.channels.sections].sort(), [...snapshot.channels.sections].sort(), 'sections');
    equal(state.channels.headline, snapshot.channels.headline, 'headline');
    for (const [id, node] of Object.entries(snapshot.nodeStates)) equal(state.nodes[id].status, node.status, id);
  }],

  ['an approval is given through the form, and the run goes on live, its child with it', async () => {
    const run = await waitingRefund();
    const page = await browser.at(`#/runs/${run}`);
    await showsStatus(page, 'waiting approval');
    await page.locator('.live', {hasText: 'Live'}).waitFor();
    const answer = page.locator('.answer');
    await answer.getByText('Pay the customer back?').waitFor();
    await answer.getByRole('button', {name: 'Ask for changes'}).click();
    await answer.getByText('Write what should change first.').waitFor();
    await answer.getByLabel(/Comment/).fill('looks right');
    await answer.getByRole('button', {name: 'Approve', exact: true}).click();
    await showsStatus(page, 'completed');
    await answer.waitFor({state: 'detached'});
    await page.locator('.live').waitFor({state: 'hidden'});
    const said = await page.locator('#said').textContent();
    check(/completed|Answered|Event/.test(said), `changes are announced: ${said}`);
    await openEvent(page, 'interrupt.resolved');
    await page.getByRole('tab', {name: 'Payload'}).click();
    await page.locator('.json-string', {hasText: 'looks right'}).waitFor();
    const child = page.locator('.lane-run', {hasText: 'child'});
    await child.locator('a', {hasText: 'payout'}).waitFor();
    await page.locator('.lane-node', {hasText: 'bank'}).waitFor();
  }],

  ['an answer that comes too late is told so', async () => {
    browser.expected.add(kMissing(409));
    const run = await waitingRefund();
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.answer').waitFor();
    // The stream is held up, so that the page does not learn of the other answer.
    await page.evaluate(() => { window.fetch = ((real) => (path, options) => (
      options?.method === 'POST' ? new Promise((resolve) => setTimeout(resolve, 300)).then(() => real(path, options)) : real(path, options)))(window.fetch); });
    await page.getByRole('button', {name: 'Approve', exact: true}).click();
    await server.resolve(run, 'approve', {action: 'reject'});
    await showsStatus(page, 'failed');
    await page.locator('.run-head .problem', {hasText: 'interrupt_rejected'}).waitFor();
  }],

  ['questions become fields of their kind', async () => {
    const run = await server.create('questions');
    await server.status(run, 'waiting-input');
    const page = await browser.at(`#/runs/${run}`);
    const answer = page.locator('.answer');
    await answer.getByRole('button', {name: 'Answer', exact: true}).click();
    await answer.getByText('“Which colour?” has no answer yet.').waitFor();
    await answer.getByRole('combobox', {name: 'Which colour?'}).selectOption({label: 'blue'});
    await answer.getByLabel('How many?').fill('3');
    await answer.getByLabel('Anything else?').fill('no');
    await answer.getByRole('button', {name: 'Answer', exact: true}).click();
    await showsStatus(page, 'completed');
    const log = await server.call('GET', `/v1/runs/${run}/events`);
    equal(log.events.find((event) => event.type === 'clarification.resolved').payload.answers, {colour: 'blue', count: 3, note: 'no'}, 'answers');
  }],

  ['any answer can be written as JSON, and what the server thinks of it is shown', async () => {
    browser.expected.add(kMissing(400));
    const run = await server.create('questions');
    await server.status(run, 'waiting-input');
    const page = await browser.at(`#/runs/${run}`);
    const answer = page.locator('.answer');
    await answer.getByText('Answer as JSON').click();
    const area = answer.getByLabel('resumeValue');
    await area.fill('{"answers": ');
    await answer.getByRole('button', {name: 'Send', exact: true}).click();
    await answer.getByText('This is no JSON').waitFor();
    await area.fill('{"answers": {"colour": "green", "count": 1, "note": ""}}');
    await answer.getByRole('button', {name: 'Send', exact: true}).click();
    await answer.locator('.problem').waitFor();
    await area.fill('{"answers": {"colour": "red", "count": 1, "note": ""}}');
    await answer.getByRole('button', {name: 'Send', exact: true}).click();
    await showsStatus(page, 'completed');
  }],

  ['the inbox leads to the form', async () => {
    const run = await waitingRefund();
    const page = await browser.at('#/inbox');
    const link = page.locator(`.inbox a[href="#/runs/${run}?answer"]`);
    await link.waitFor();
    await page.locator('#inbox-count').waitFor();
    await link.click();
    await eventually('the focus in the form', () => page.evaluate(() => document.activeElement.closest('.answer') !== null));
    await server.resolve(run, 'approve', {action: 'reject'});
    await showsStatus(page, 'failed');
  }],

  ['children lie below the node that started them, fold, and lead to their own page', async () => {
    const run = await finishedRefund();
    const [{runId: child}] = (await server.call('GET', `/v1/runs/${run}`)).childRuns;
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.lane-node', {hasText: 'bank'}).waitFor();
    const names = await page.locator('.lane-name').allTextContents();
    equal(names.slice(names.indexOf('payout'), names.indexOf('payout') + 4), ['payout', 'payout', 'bank', 'receipt'], 'the lanes below');
    const depth = (name) => page.locator('.lane', {hasText: name}).last().locator('.lane-label').evaluate((label) => Number(label.style.getPropertyValue('--depth')));
    check(await depth('bank') > await depth('approve'), 'children are indented');
    const fold = page.getByRole('button', {name: 'Nodes of the child run payout'});
    equal(await fold.getAttribute('aria-expanded'), 'true', 'unfolded');
    await fold.click();
    await page.locator('.lane-node', {hasText: 'bank'}).waitFor({state: 'detached'});
    await page.locator('a.lane-name').click();
    await page.locator('.run-id', {hasText: child}).waitFor();
    await page.locator('.facts', {hasText: 'Child of'}).locator(`a[href="#/runs/${run}"]`).click();
    await page.locator('.run-id', {hasText: run}).waitFor();
  }],

  ['of many children some are folded, and what one of them asks is answered on the page of its parent', async () => {
    const run = await server.create('family');
    await server.status(run, 'waiting-input');
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.facts', {hasText: 'Children6'}).waitFor();
    const folds = page.locator('.fold');
    await folds.nth(5).waitFor();
    // The one that waits is unfolded, whichever it is.
    const open = await eventually('the child that waits', async () => {
      const states = await folds.evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-expanded')));
      return states.filter((state) => state === 'true').length >= 4 && states;
    });
    check(open.includes('false'), 'one is folded');
    const lanes = await page.locator('.lane').count();
    await folds.nth(open.indexOf('false')).click();
    await eventually('its lanes', async () => (await page.locator('.lane').count()) > lanes);
    const answer = page.locator('.answer', {hasText: 'child run questions'});
    await answer.getByRole('combobox', {name: 'Which colour?'}).selectOption({label: 'red'});
    await answer.getByLabel('How many?').fill('1');
    await answer.getByLabel('Anything else?').fill('-');
    await answer.getByRole('button', {name: 'Answer', exact: true}).click();
    await showsStatus(page, 'completed');
    await answer.waitFor({state: 'detached'});
  }],

  ['fork follows discovery: a new run from here, or a word why not', async () => {
    const run = await finishedRefund();
    const {replay} = await server.call('GET', '/.well-known/openwop');
    const page = await browser.at(`#/runs/${run}`);
    await openEvent(page, 'interrupt.requested');
    const button = page.getByRole('button', {name: 'Fork from here'});
    await button.waitFor();
    if (!replay.supported) {
      check(await button.isDisabled(), 'the button is off');
      await page.getByText('not supported by this host').waitFor();
      return;
    }
    const sequence = Number(/#(\d+)/.exec(await page.locator('.detail-head .event-sequence').textContent())[1]);
    await page.locator('.event-list').focus();
    await page.keyboard.press('f');
    const dialog = page.getByRole('dialog', {name: `Fork from event #${sequence}`});
    for (const mode of replay.modes) check(await dialog.locator(`input[value="${mode}"]`).count() === 1, `${mode} is offered`);
    await dialog.locator('input[value="branch"]').check();
    await dialog.getByLabel(/Options that differ/).fill('{"tags": ["forked"]}');
    await dialog.getByRole('button', {name: 'Fork', exact: true}).click();
    await eventually('the new run', async () => (await page.locator('.run-id').textContent()) !== run);
    await page.locator('.tag', {hasText: 'forked'}).waitFor();
    await page.locator('.facts', {hasText: `at #${sequence} · branch`}).locator(`a[href="#/runs/${run}"]`).waitFor();
    await showsStatus(page, 'waiting approval');
    await page.getByRole('button', {name: 'Approve', exact: true}).click();
    await showsStatus(page, 'completed');

    await page.goto(`${server.url}/ui#/runs/${run}?at=0`);
    await button.click();
    await page.locator('input[value="replay"]').check();
    check(await page.getByLabel(/Options that differ/).isHidden(), 'a replay has no options');
    await page.keyboard.press('Enter');
    await page.locator('.facts', {hasText: 'at #0 · replay'}).waitFor();
    await showsStatus(page, 'completed');
  }],

  ['markup in names, inputs, tags, titles and data stays text', async () => {
    const text = '<img src=x onerror="window.planted=9">';
    const run = await server.create('hostile', {text}, {tags: [text], metadata: {[text]: text}});
    await server.status(run, 'waiting-approval');
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.answer').waitFor();
    await openEvent(page, 'variable.changed');
    await page.locator('.change').waitFor();
    for (const tab of ['Payload', 'State']) {
      await page.getByRole('tab', {name: tab}).click();
      await page.locator('.json-string').first().waitFor();
    }
    check((await page.locator('.tag').first().textContent()) === text, 'a tag is shown as it is');
    const inbox = await browser.at('#/inbox');
    await inbox.locator('.inbox', {hasText: '<img src=x'}).waitFor();
    for (const one of [page, inbox]) {
      equal(await one.evaluate(() => [window.planted ?? null, document.querySelectorAll('main img, main script, main svg').length]), [null, 0], 'what was planted');
    }
  }],

  ['a lost server is told, and the live run is taken up again when it is back', async () => {
    browser.expected.add('ERR_CONNECTION_REFUSED').add('ERR_INCOMPLETE_CHUNKED_ENCODING').add('ERR_CONNECTION_RESET').add('ERR_EMPTY_RESPONSE');
    const run = await waitingRefund();
    const page = await browser.at(`#/runs/${run}`);
    await page.locator('.live', {hasText: 'Live'}).waitFor();
    const port = server.port;
    await server.kill();
    await page.locator('.live', {hasText: 'Connection lost'}).waitFor();
    await server.start(port);
    await page.locator('.live', {hasText: /^Live/}).waitFor();
    await page.getByRole('button', {name: 'Approve', exact: true}).click();
    await showsStatus(page, 'completed');
  }],

  ['a run that is not there, a busy server and a key that has ended have pages of their own', async () => {
    browser.expected.add(kMissing(404)).add(kMissing(503)).add(kMissing(401));
    const page = await browser.at('#/runs/00000000000000000000000000');
    await page.getByRole('heading', {name: 'No such run'}).waitFor();
    await page.route('**/v1/runs/busy', (route) => route.fulfill({
      status: 503, headers: {'Content-Type': 'application/json'}, body: '{"error":"service_unavailable","message":"too many requests are in flight"}'}));
    await page.goto(`${server.url}/ui#/runs/busy`);
    await page.getByText('trying again').waitFor();
    await page.getByRole('heading', {name: 'The server is busy'}).waitFor();
    await page.locator('#main').getByText('too many requests are in flight').waitFor();
    await page.evaluate(() => sessionStorage.setItem('openwop.key', 'ended'));
    await page.goto(`${server.url}/ui#/runs`);
    await page.locator('#key-problem', {hasText: 'does not accept the key'}).waitFor();
  }],

  ['everything can be reached without a mouse', async () => {
    const run = await finishedRefund();
    const page = await browser.at('', {key: null});
    await page.locator('#key').waitFor();
    await page.keyboard.type(KEY);
    await page.keyboard.press('Enter');
    await page.locator('.runs tbody tr').first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('refund');
    await page.keyboard.press('Enter');
    await eventually('only refunds', async () => (await page.locator('.runs .workflow').allTextContents()).every((name) => name === 'refund'));
    await page.keyboard.press('Escape');
    check((await active(page)).includes('run-link'), 'the focus is in the list');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    await page.locator('.run-id', {hasText: run}).waitFor();
    await page.locator('.event').first().waitFor();
    for (let i = 0; i < 5; ++i) await page.keyboard.press('j');
    await page.locator('.detail-head', {hasText: '#4'}).waitFor();
    await page.keyboard.press('ArrowUp');
    await page.locator('.detail-head', {hasText: '#3'}).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    check((await active(page)).includes('detail-body'), 'Enter looks into the event');
    await page.keyboard.press('Escape');
    check((await active(page)).includes('event-list'), 'Esc leads back to the list');
    await page.keyboard.press('End');
    await page.locator('.detail-head', {hasText: 'run.completed'}).waitFor();
    check(await page.locator('.event[aria-selected="true"]').isVisible(), 'the selected event is in sight');
    await page.keyboard.press('/');
    check(await active(page) === 'event-filter', '/ leads to the filter');
    await page.keyboard.type('variable');
    await page.getByText(/^2 of /).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', {name: 'Keys'}).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.getByText('No event selected').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', {name: 'Runs', exact: true}).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('i');
    await page.getByRole('heading', {name: 'Waiting for an answer'}).waitFor();

    const waiting = await waitingRefund();
    await page.goto(`${server.url}/ui#/runs/${waiting}`);
    await page.locator('.answer').waitFor();
    await page.keyboard.press('a');
    await page.keyboard.type('by keys');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await showsStatus(page, 'completed');
  }],

  ['a log of any length is kept in bounded memory, and any part of it can be looked at', async () => {
    const page = await browser.at('#/runs');
    await page.locator('.runs').waitFor();
    const result = await page.evaluate(async () => {
      const {EventLog, PAGE} = await import('/ui/event_log.js');
      const {EventList} = await import('/ui/event_list.js');
      const total = 30_000;
      const make = (sequence) => ({
        sequence, runId: 'r', eventId: `evt_r_${sequence}`, timestamp: new Date(1e12 + sequence).toISOString(), nodeId: 'n',
        type: sequence === 0 ? 'run.started' : 'variable.changed',
        payload: {name: `v${sequence % 3}`, previous: sequence < 4 ? 0 : sequence - 3, next: sequence},
      });
      let calls = 0;
      const api = {events: async (id, last) => {
        calls += 1;
        // Answers may be cut anywhere.
        const events = Array.from({length: Math.min(777, total - last - 1)}, (_, i) => make(last + 1 + i));
        return {events, isComplete: last + 1 + events.length >= total};
      }};
      const log = new EventLog(api, 'r');
      await log.load();
      const inMemory = Array.from({length: total}, (_, i) => i).filter((i) => log.peek(i)).length;
      const readOnce = calls;
      const {before, after} = await log.statesAround(1234, {});
      const early = [before.variables.v1, after.variables.v1, (await log.fetch(1234)).sequence];
      const list = new EventList(log, {onSelect: () => {}, onOpen: () => {}});
      Object.assign(list.element.style, {height: '400px', flex: 'none'});
      document.querySelector('main').append(list.element);
      list.grown();
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      await frame();
      list.select(20_000);
      await frame();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const rows = list.element.querySelectorAll('.event').length;
      const text = list.element.querySelector('#event-20000 .event-summary').textContent;
      return {count: log.count, inMemory, limit: 10 * PAGE, refetched: calls > readOnce, early, rows, text};
    });
    equal(result.count, 30_000, 'events');
    check(result.inMemory <= result.limit, `${result.inMemory} events in memory`);
    check(result.refetched, 'what was put out is read again');
    equal(result.early, [1231, 1234, 1234], 'the states around an early event');
    check(result.rows < 60, `${result.rows} rows exist`);
    equal(result.text, 'v2 = 20000', 'a row far down');
  }],

  ['server-sent events may be cut anywhere', async () => {
    const page = await browser.at('#/runs');
    await page.locator('.runs').waitFor();
    const got = await page.evaluate(async () => {
      const {SseParser} = await import('/ui/stream.js');
      const text = ':keepalive\n\nid: 1\nevent: a\ndata: {"x":\ndata: 1}\n\nid: 2\r\ndata: 2\r\n\r\n';
      return Array.from({length: text.length}, (_, cut) => {
        const parser = new SseParser();
        return JSON.stringify([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]);
      });
    });
    equal([...new Set(got)], ['["{\\"x\\":\\n1}","2"]'], 'frames');
  }],

  ['controls have names, ids are unique, and texts stand out, in light and dark', async () => {
    const finished = await finishedRefund();
    const waiting = await waitingRefund();
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.at('#/runs', {colorScheme});
      for (const [hash, ready] of [['#/runs', '.runs tbody tr'], ['#/inbox', '.inbox li'], [`#/runs/${waiting}`, '.answer'], [`#/runs/${finished}?at=4`, '.change']]) {
        await page.goto(`${server.url}/ui${hash}`);
        await page.locator(ready).first().waitFor();
        await checkBasics(page, `${hash} ${colorScheme}`);
        for (const {what, ratio} of await contrasts(page)) check(ratio >= 4.5, `${hash} in ${colorScheme}: ${what} has a contrast of ${ratio.toFixed(2)}`);
      }
    }
  }],

  ['the theme can be chosen, and is remembered; motion stops for who wants none', async () => {
    const page = await browser.at('#/runs', {colorScheme: 'light', reducedMotion: 'reduce'});
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.click('#theme-button');
    equal(await background(), light, 'light');
    await page.click('#theme-button');
    const dark = await background();
    check(dark !== light, 'dark differs');
    await page.reload();
    equal(await background(), dark, 'dark behind a reload');
    await page.goto(`${server.url}/ui#/runs/${await waitingRefund()}`);
    await page.locator('.live').waitFor();
    equal(await page.locator('.live').evaluate((element) => getComputedStyle(element, '::before').animationName), 'none', 'animation');
  }],

  ['a narrow window loses nothing', async () => {
    const run = await waitingRefund();
    const page = await browser.at(`#/runs/${run}`, {viewport: {width: 420, height: 800}});
    await page.locator('.answer').waitFor();
    await page.locator('.event').first().click();
    await page.locator('.detail-body').waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(overflow <= 0, `${overflow} px stand out to the side`);
  }],

  ['the page asks its own server only', async () => {
    check(browser.requests > 100, 'requests were watched');  // each case fails by itself when one left
  }],
];

if (picture) {
  cases.push(['the picture of the README', async () => {
    const run = await server.create('refund', {orderId: 'A-1042'}, {tags: ['eu', 'priority']});
    await server.status(run, 'waiting-approval');
    await new Promise((resolve) => setTimeout(resolve, 350));
    await server.resolve(run, 'approve', {action: 'accept', feedback: 'goods are back'});
    await server.status(run, 'completed');
    const page = await browser.at(`#/runs/${run}?at=33`, {viewport: {width: 1280, height: 940}});
    await page.locator('.change').first().waitFor();
    await page.locator('.lanes').evaluate((lanes) => { lanes.style.maxHeight = 'none'; });
    await page.locator('.lane-node', {hasText: 'bank'}).waitFor();
    await page.waitForTimeout(300);
    await page.screenshot({path: picture});
  }]);
}

const only = process.env.OPENWOP_UI_CASES;
const chosen = only ? cases.filter(([name]) => name.includes(only)) : cases;
const failures = await runCases(chosen, browser);
await browser.browser.close();
await server.close();
console.log(`${chosen.length - failures} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
