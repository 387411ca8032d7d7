// openai for Node against a server of all-MiniLM-L6-v2: node openai.mjs URL; throws where it fails.
import assert from "node:assert/strict";
import OpenAI from "openai";

const model = "all-MiniLM-L6-v2";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none" });
const two = await client.embeddings.create({ model, input: ["a text", "another"] });
assert.deepEqual(two.data.map((d) => d.embedding.length), [384, 384]); // Sent as base64.
const short = await client.embeddings.create(
  { model, input: "a text", encoding_format: "float", dimensions: 16 });
assert.equal(short.data[0].embedding.length, 16);
assert.ok(short.usage.total_tokens > 2);
const names = [];
for await (const served of client.models.list()) names.push(served.id);
assert.ok(names.includes(model));
await assert.rejects(client.embeddings.create({ model, input: "" }), OpenAI.BadRequestError);
await assert.rejects(client.embeddings.create({ model, input: Array(1025).fill("a") }),
  OpenAI.UnprocessableEntityError);
