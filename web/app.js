// @ts-check
// The page: ask, read the answer as it is written, see each citation in its document.
// Text of documents and answers only ever becomes a text node: nothing in it can run.

/** @typedef {{n: number, root: string, path: string, start: number, end: number, page: number|null,
 *   line: number|null, quote: string, verified: boolean}} Citation */
/** @typedef {{answer: string, abstained: boolean, citations: Citation[], generator: string}} Answer */
/** @typedef {{root: string, path: string, start: number, end: number, page: number|null,
 *   line: number|null, score: number, text: string, heading: string}} Hit */

/** @template {HTMLElement} T @param {string} id @returns {T} */
const byId = (id) => /** @type {T} */ (document.getElementById(id));

/** @param {string} tag @param {string} text @param {string} [className] */
function element(tag, text, className) {
  const e = document.createElement(tag);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

/** @type {AbortController|null} */
let running = null;

/** @param {string} target @param {object} [body] @param {AbortSignal} [signal] */
async function call(target, body, signal) {
  for (;;) {
    /** @type {Record<string, string>} */
    const headers = body ? {'Content-Type': 'application/json'} : {};
    const key = sessionStorage.getItem('key');
    if (key) headers.Authorization = `Bearer ${key}`;
    const response = await fetch(target, {
      method: body ? 'POST' : 'GET', headers, signal, body: body ? JSON.stringify(body) : undefined,
    });
    if (response.status === 401 && await askForKey()) continue;
    if (response.ok) return response;
    const error = await response.json().catch(() => null);
    throw new Error(error?.error?.message ?? `the server answered ${response.status}`);
  }
}

/** @returns {Promise<boolean>} whether a key was given */
function askForKey() {
  const dialog = /** @type {HTMLDialogElement} */ (byId('key-dialog'));
  const input = /** @type {HTMLInputElement} */ (byId('key'));
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      if (input.value) sessionStorage.setItem('key', input.value);
      resolve(input.value !== '');
      input.value = '';
    }, {once: true});
  });
}

/** Each line of a stream of JSON lines. @param {Response} response */
async function* lines(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

const collection = () => byId('collection').value;

/** "guide/loan.md:12", "report.pdf, page 3" @param {Citation|Hit} c */
function place(c) {
  if (c.page) return `${c.path}, page ${c.page}`;
  return c.line ? `${c.path}:${c.line}` : c.path;
}

/** Shows the document with the bytes [start, end) marked. @param {Citation|Hit} c */
async function show(c) {
  const query = new URLSearchParams({collection: collection(), path: c.path, root: c.root ?? ''});
  const reply = await call(`/api/document?${query}`);
  const doc = await reply.json();
  // Offsets count bytes of UTF-8; strings here count UTF-16 units.
  const bytes = new TextEncoder().encode(doc.text);
  const decoder = new TextDecoder();
  const mark = element('mark', decoder.decode(bytes.slice(c.start, c.end)));
  const text = byId('viewer-text');
  text.replaceChildren(decoder.decode(bytes.slice(0, c.start)), mark,
                       decoder.decode(bytes.slice(c.end)));
  byId('viewer-title').textContent = doc.title ? `${doc.title} (${place(c)})` : place(c);
  byId('viewer').hidden = false;
  mark.scrollIntoView({block: 'center'});
}

/** @param {unknown} error */
function fail(error) {
  const answer = byId('answer');
  answer.textContent = error instanceof Error ? error.message : String(error);
  answer.className = 'failed';
}

/** A button that opens a citation. @param {Citation|Hit} c @param {string} text @param {string} className */
function opener(c, text, className) {
  const button = /** @type {HTMLButtonElement} */ (element('button', text, className));
  button.type = 'button';
  button.addEventListener('click', () => show(c).catch(fail));
  return button;
}

/** The answer's text with each [n] as a button. @param {Answer} answer */
function renderAnswer(answer) {
  const target = byId('answer');
  target.className = answer.abstained ? 'refused' : '';
  target.replaceChildren();
  for (const part of answer.answer.split(/(\[\d+\])/)) {
    const n = /^\[(\d+)\]$/.exec(part)?.[1];
    const citation = answer.citations.find((c) => String(c.n) === n);
    target.append(citation ? opener(citation, part, 'cite') : part);
  }
  byId('citations').replaceChildren(...answer.citations.map((c) => {
    const item = document.createElement('li');
    item.append(opener(c, `[${c.n}] ${place(c)}`, 'place'));
    if (c.verified) item.append(element('span', '✓ checked against the file', 'checked'));
    item.append(element('blockquote', c.quote));
    return item;
  }));
}

/** @param {Hit[]} hits */
function renderHits(hits) {
  byId('passages').hidden = hits.length === 0;
  byId('hits').replaceChildren(...hits.map((hit) => {
    const item = document.createElement('li');
    item.append(opener(hit, place(hit), 'place'));
    item.append(element('span', hit.score.toFixed(3), 'checked'));
    item.append(element('p', hit.text.length > 240 ? `${hit.text.slice(0, 240)}…` : hit.text));
    return item;
  }));
}

/** @param {boolean} on */
function setRunning(on) {
  byId('stop').hidden = !on;
  byId('send').hidden = on;
}

/** @param {string} question */
async function ask(question) {
  running?.abort();
  const own = new AbortController();
  running = own;
  setRunning(true);
  const answer = byId('answer');
  answer.className = '';
  answer.textContent = '…';
  byId('citations').replaceChildren();
  byId('passages').hidden = true;
  let text = '';
  try {
    const body = {query: question, collection: collection(), stream: true};
    const reply = await call('/api/ask', body, own.signal);
    for await (const event of lines(reply)) {
      if (event.error) throw new Error(event.error.message);
      if (event.text) answer.textContent = text += event.text;
      if (event.report) renderAnswer(event.report);
    }
    const found = await call('/api/search', {query: question, collection: collection(), top: 6},
                             own.signal);
    renderHits((await found.json()).hits);
  } catch (error) {
    if (!own.signal.aborted) fail(error);
    else if (running === own) answer.append(' (stopped)');
  } finally {
    if (running === own) setRunning(false);
  }
}

async function refreshState() {
  const query = new URLSearchParams({collection: collection()});
  const state = await (await call(`/api/status?${query}`)).json();
  byId('state').textContent = `${state.documents} documents, ${state.chunks} passages` +
      (state.vectors_complete ? '' : `, ${state.chunks_with_vectors} with vectors so far`);
}

async function start() {
  const reply = await (await call('/api/collections')).json();
  const select = byId('collection');
  select.replaceChildren(...reply.collections.map((/** @type {string} */ name) => new Option(name)));
  if (reply.collections.includes(reply.default)) select.value = reply.default;
  if (reply.collections.length === 0) {
    byId('state').textContent = 'nothing indexed yet: run malmoi index FOLDER';
    return;
  }
  await refreshState();
  const wanted = new URLSearchParams(location.search);
  const path = wanted.get('path');
  if (path) {
    await show({root: '', path, start: Number(wanted.get('start')), end: Number(wanted.get('end')),
                page: null, line: null, score: 0, text: '', heading: ''});
  }
}

byId('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  ask(byId('question').value.trim());
});
byId('stop').addEventListener('click', () => running?.abort());
byId('viewer-close').addEventListener('click', () => { byId('viewer').hidden = true; });
byId('collection').addEventListener('change', () => refreshState().catch(fail));
start().catch(fail);
