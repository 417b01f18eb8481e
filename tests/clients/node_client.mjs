// What node_test.py asks of Node: `node node_client.mjs SCENARIO WORD...`, one line of JSON on
// stdout. Uses only what Node has by itself.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import zlib from "node:zlib";

const digest = bytes => createHash("sha256").update(bytes).digest("hex");
const name_of = error => typeof error.code === "string" ? error.code : error.name;
const distinct = values => [...new Set(values)];

async function get(url, options) {
  const request = http.get(url, options);
  const [response] = await once(request, "response");
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, digest: digest(Buffer.concat(chunks)),
           reused: request.reusedSocket, port: request.socket.localPort };
}

async function fetched(url, options) {
  const response = await fetch(url, options);
  return { response, digest: digest(Buffer.from(await response.arrayBuffer())) };
}

// The name of what fetch() or its body fails with when it is given up after the first bytes.
async function aborted(url) {
  const control = new AbortController();
  const response = await fetch(url, { signal: control.signal });
  const reader = response.body.getReader();
  await reader.read();
  control.abort();
  for (;;) await reader.read();
}

async function destroyed(url) {
  const request = http.get(url);
  const [response] = await once(request, "response");
  await once(response, "data");
  request.destroy();
  await once(response, "close");
}

const scenarios = {
  async agent(url, count) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const all = [];
    for (let index = 0; index < count; ++index) all.push(await get(url, { agent }));
    agent.destroy();
    return { statuses: distinct(all.map(one => one.status)),
             digests: distinct(all.map(one => one.digest)),
             reused: all.filter(one => one.reused).length,
             ports: distinct(all.map(one => one.port)).length };
  },

  async fetch(url, count) {
    const all = await Promise.all(Array.from({ length: count }, () => fetched(url)));
    const part = await fetched(url, { headers: { Range: "bytes=1000-1999" } });
    const etag = all[0].response.headers.get("etag");
    const unchanged = await fetched(url, { headers: { "If-None-Match": etag } });
    return { whole: distinct(all.map(one => one.digest)),
             part: [part.response.status, part.response.headers.get("content-range"), part.digest],
             unchanged: unchanged.response.status,
             absent: (await fetched(`${url}.absent`)).response.status };
  },

  async compress(path) {
    const content = readFileSync(path);
    writeFileSync(`${path}.br`, zlib.brotliCompressSync(content));
    writeFileSync(`${path}.gz`, zlib.gzipSync(content));
    return {};
  },

  async decode(url, asked) {
    const one = await fetched(url, asked ? { headers: { "Accept-Encoding": asked } } : {});
    return { coding: one.response.headers.get("content-encoding"), digest: one.digest };
  },

  async abort(large, small) {
    const errors = [], digests = [];
    for (const given_up of [aborted, aborted, destroyed]) {
      await given_up(large).catch(error => errors.push(name_of(error)));
      digests.push((await fetched(small)).digest);
    }
    return { errors, small: distinct(digests) };
  },
};

const [scenario, ...words] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await scenarios[scenario](...words)) + "\n");
