// @qdrant/js-client-rest unchanged against a store. Usage: node javascript.mjs CLIENT_FOLDER URL
import assert from 'node:assert';
import { createRequire } from 'node:module';

const [folder, url] = process.argv.slice(2);
const { QdrantClient } = createRequire(folder + '/')('@qdrant/js-client-rest');
const client = new QdrantClient({ url });
const name = 'javascript';

assert((await client.versionInfo()).version.startsWith('1.20'));
await client.deleteCollection(name);
await client.createCollection(name, {
  vectors: { size: 4, distance: 'Cosine' }, sparse_vectors: { words: { modifier: 'idf' } } });
await client.upsert(name, { wait: true, points: Array.from({ length: 50 }, (_, id) => ({
  id, vector: { '': [id, 1, 2, 3], words: { indices: [id % 7], values: [1] } },
  payload: { n: id, kind: 'ab'[id % 2] } })) });
await client.createPayloadIndex(name, { field_name: 'kind', field_schema: 'keyword', wait: true });
const filter = { must: [{ key: 'kind', match: { value: 'a' } }] };
assert.equal((await client.count(name, { filter, exact: true })).count, 25);
const found = await client.query(name, { query: [49, 1, 2, 3], filter, limit: 3, with_payload: true });
assert.deepEqual(found.points.map((p) => p.payload.kind), ['a', 'a', 'a']);
assert.equal((await client.search(name, { vector: [5, 1, 2, 3], limit: 1 }))[0].id, 5);
const page = await client.scroll(name, { limit: 10, with_vector: true });
assert.equal(page.points.length, 10);
assert.equal(page.next_page_offset, 10);
const fused = await client.query(name, { query: { fusion: 'rrf' }, prefetch: [
  { query: [1, 1, 2, 3], limit: 9 },
  { query: { indices: [3], values: [1] }, using: 'words', limit: 9 }] });
assert(fused.points.length > 0);
assert.equal((await client.facet(name, { key: 'kind' })).hits.length, 2);
await client.setPayload(name, { payload: { x: 1 }, points: [1], wait: true });
assert.equal((await client.retrieve(name, { ids: [1] }))[0].payload.x, 1);
await client.delete(name, { filter, wait: true });
assert.equal((await client.getCollection(name)).points_count, 25);
await assert.rejects(client.getCollection('absent'), (e) => e.status === 404);
await client.deleteCollection(name);
console.log('javascript: passed');
