// @ts-check
// The page: ask, read the answer as it is written, see each citation in its document.
// Text of documents and answers only ever becomes a text node: nothing in it can run.

/** @typedef {{n: number, root: string, path: string, start: number, end: number, page: number|null,
 *   line: number|null, quote: string, verified: boolean}} Citation */
/** @typedef {{answer: string, abstained: boolean, citations: Citation[], generator: string}} Answer */
/** @typedef {{root: string, path: string, start: number, end: number, page: number|null,
 *   line: number|null, score: number, text: string, heading: string}} Hit */

const words = {
  en: {
    ask: 'Ask', stop: 'Stop', close: 'Close', use: 'Use', collection: 'collection',
    question: 'Question', passages: 'Passages', searching: 'Searching…', stopped: ' (stopped)',
    placeholder: 'Ask your documents', checked: '✓ checked against the file', page: 'page',
    nothing: 'Nothing is indexed yet. In a terminal: malmoi index FOLDER',
    welcome: 'Ask a question about these folders, in any language. An answer quotes the documents; '
        + 'each number opens the quote where it stands.',
    state: (/** @type {any} */ s) => `${s.documents} documents, ${s.chunks} passages`
        + (s.vectors_complete ? '' : `, ${s.chunks_with_vectors} with vectors so far`),
  },
  ko: {
    ask: '묻기', stop: '멈춤', close: '닫기', use: '사용', collection: '컬렉션',
    question: '질문', passages: '찾은 구절', searching: '찾는 중…', stopped: ' (멈춤)',
    placeholder: '문서에 무엇이든 물어보세요', checked: '✓ 원문과 대조함', page: '쪽',
    nothing: '아직 색인한 문서가 없습니다. 터미널에서: malmoi index 폴더',
    welcome: '아래 폴더의 문서에 대해 어떤 언어로든 물어보세요. 답은 문서를 그대로 인용하고, '
        + '번호를 누르면 인용한 자리가 열립니다.',
    state: (/** @type {any} */ s) => `문서 ${s.documents}개, 구절 ${s.chunks}개`
        + (s.vectors_complete ? '' : `, 벡터 ${s.chunks_with_vectors}개까지 완성`),
  },
};
const language = navigator.language.startsWith('ko') ? 'ko' : 'en';
const say = words[language];

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
  if (c.page) return `${c.path}, ${language === 'ko' ? `${c.page}${say.page}` : `${say.page} ${c.page}`}`;
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
    if (c.verified) item.append(element('span', say.checked, 'checked'));
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
  answer.textContent = say.searching;
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
    else if (running === own) answer.append(say.stopped);
  } finally {
    if (running === own) setRunning(false);
  }
}

/** Puts the page's own words in the reader's language. */
function speak() {
  document.documentElement.lang = language;
  for (const e of document.querySelectorAll('[data-say]')) {
    e.textContent = say[/** @type {'ask'} */ (/** @type {HTMLElement} */ (e).dataset.say)];
  }
  byId('question').placeholder = say.placeholder;
}

async function refreshState() {
  const query = new URLSearchParams({collection: collection()});
  const state = await (await call(`/api/status?${query}`)).json();
  byId('state').textContent = say.state(state);
  if (running) return;
  const roots = document.createElement('ul');
  roots.replaceChildren(...state.roots.map((/** @type {string} */ root) => element('li', root)));
  byId('answer').className = 'welcome';
  byId('answer').replaceChildren(element('p', say.welcome), roots);
}

/** A link may name a question (?q=) or a place in a document (?path=&start=&end=). */
async function follow() {
  const wanted = new URLSearchParams(location.search);
  const path = wanted.get('path');
  if (path) {
    await show({root: '', path, start: Number(wanted.get('start')), end: Number(wanted.get('end')),
                page: null, line: null, score: 0, text: '', heading: ''});
  }
  const question = wanted.get('q');
  if (question) {
    byId('question').value = question;
    await ask(question);
  }
}

async function start() {
  const reply = await (await call('/api/collections')).json();
  const select = byId('collection');
  select.replaceChildren(...reply.collections.map((/** @type {string} */ name) => new Option(name)));
  if (reply.collections.includes(reply.default)) select.value = reply.default;
  if (reply.collections.length === 0) {
    byId('answer').className = 'welcome';
    byId('answer').textContent = say.nothing;
    return;
  }
  await refreshState();
  await follow();
}

byId('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const question = byId('question').value.trim();
  if (!question) return;
  history.pushState(null, '', `?${new URLSearchParams({q: question})}`);
  ask(question);
});
byId('stop').addEventListener('click', () => running?.abort());
byId('viewer-close').addEventListener('click', () => { byId('viewer').hidden = true; });
window.addEventListener('popstate', () => follow().catch(fail));
byId('collection').addEventListener('change', () => refreshState().catch(fail));
speak();
start().catch(fail);
