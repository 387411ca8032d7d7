// Goal: a person can ask on the page, read the streamed answer, and see a citation in its document.
// Method: Debian's Chromium on the program with the sample folder; every console error fails.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const binary = process.env.MALMOI_BIN ?? path.join(root, 'build/dev/malmoi');
const chromium = '/usr/bin/chromium';

let driver = null;
try {
  driver = createRequire(path.join(root, 'tools/browser/'))('playwright-core');
} catch { /* Reported as the reason to skip. */ }
const missing = !driver ? 'playwright-core is not installed'
  : !fs.existsSync(chromium) ? 'chromium is not installed'
  : !fs.existsSync(binary) ? 'the program is absent' : false;

/** Starts the server; resolves with its address and a function that stops it. */
function serve(environment) {
  const child = spawn(binary, ['serve', '--port', '0'], {env: environment});
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (bytes) => {
      text += bytes;
      const url = /(http:\/\/\S+)\/ /.exec(text)?.[1];
      const stop = () => new Promise((done) => { child.once('exit', done); child.kill('SIGTERM'); });
      if (url) resolve({url, stop});
    });
    child.once('exit', () => reject(new Error(`the server ended: ${text}`)));
  });
}

test('ask on the page and follow a citation into its document', {skip: missing, timeout: 300_000}, async () => {
  const data = fs.mkdtempSync(path.join(os.tmpdir(), 'malmoi-page-'));
  const folder = path.join(data, 'docs');
  fs.cpSync(path.join(root, 'sample/ko'), folder, {recursive: true});
  fs.writeFileSync(path.join(folder, '공격.md'),
    '# 희귀공격문서\n\n희귀공격문서는 <img src=x onerror="document.title=\'pwned\'"> <script>document.title="pwned"</script> 를 담는다.\n');
  const environment = {...process.env, MALMOI_DATA: path.join(data, 'data'), MALMOI_CONFIG: os.devNull,
    MALMOI_ASSETS: process.env.MALMOI_ASSETS ?? path.join(root, 'build/assets')};
  const indexed = spawnSync(binary, ['index', folder, '--quiet'], {env: environment, encoding: 'utf8'});
  assert.equal(indexed.status, 0, indexed.stderr);
  const server = await serve(environment);
  const browser = await driver.chromium.launch({executablePath: chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync', '--no-first-run']});
  try {
    const page = await browser.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
    await page.goto(server.url);
    await page.waitForFunction(() => /\d+ documents/.test(document.getElementById('state').textContent));
    assert.match(await page.textContent('#answer.welcome'), /docs/);

    await page.fill('#question', '책은 한 번에 몇 권까지 빌릴 수 있나요?');
    await page.click('#send');
    await page.waitForSelector('#citations li');
    assert.match(await page.textContent('#answer'), /\[1\]/);
    assert.match(await page.textContent('#citations li'), /✓/);
    const quote = await page.textContent('#citations li blockquote');
    await page.click('#answer .cite');
    await page.waitForSelector('#viewer-text mark');
    assert.equal(await page.textContent('#viewer-text mark'), quote);
    await page.waitForSelector('#hits li');
    if (process.env.MALMOI_SCREENSHOT) await page.screenshot({path: process.env.MALMOI_SCREENSHOT});

    // A link to the question, opened by a reader of Korean.
    const korean = await browser.newPage({locale: 'ko-KR'});
    await korean.goto(page.url());
    await korean.waitForSelector('#citations li');
    assert.equal(await korean.textContent('#send'), '묻기');
    assert.match(await korean.textContent('#state'), /^문서 \d+개/);
    assert.equal(await korean.textContent('#citations li blockquote'), quote);
    await korean.close();

    // What a document says never runs.
    await page.fill('#question', '희귀공격문서');
    await page.click('#send');
    await page.waitForFunction(() => document.getElementById('hits').textContent.includes('희귀공격문서'));
    await page.click('#hits li .place');
    await page.waitForFunction(() => document.getElementById('viewer-text').textContent.includes('onerror'));
    assert.notEqual(await page.title(), 'pwned');
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
    await server.stop();
    fs.rmSync(data, {recursive: true, force: true});
  }
});
