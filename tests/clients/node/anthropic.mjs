// The official Anthropic client for Node against a running proxy.
//
//   node anthropic.mjs URL [OPTIONS [SCENARIO...]]
//
// URL is the client's base URL, OPTIONS its other options as JSON. Prints one JSON object: for each scenario its
// `outcome`, or what it `threw`, and the requests it `sent`.

import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

const [url, options = '{}', ...chosen] = process.argv.slice(2);
const model = 'claude-opus-5-5';
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

let sent = [];

function recordingFetch(target, init) {
  sent.push({ method: init.method.toUpperCase(), url: String(target), body: init.body ?? '' });
  return fetch(target, init);
}

const client = new Anthropic({
  baseURL: url,
  apiKey: 'dummy',
  maxRetries: 0,
  fetch: recordingFetch,
  ...JSON.parse(options),
});

const asking = (content, more = {}) => ({ model, max_tokens: 1024, messages: [{ role: 'user', content }], ...more });
const simulate = (script) => `simulate: ${JSON.stringify(script)}`;

async function failure(call) {
  try {
    return { answered: await call() };
  } catch (error) {
    return {
      class: error.constructor.name,
      status: error.status ?? null,
      type: error.type ?? null,
      error: error.error ?? null,
      requestID: error.requestID ?? null,
      retryAfter: error.headers?.get('retry-after') ?? null,
    };
  }
}

async function collected(stream, into = []) {
  for await (const event of stream) into.push(event);
  return into;
}

const scenarios = {
  async create() {
    const message = await client.messages.create(asking('Grüße, “Claude” 😀'));
    return { message, requestID: message._request_id };
  },

  async stream() {
    const request = asking(simulate({ text: 'One two three — “four”.' }), { system: 'Be brief.', stream: true });
    return collected(await client.messages.create(request));
  },

  async helper() {
    const stream = client.messages.stream(asking(simulate({ text: 'One two three.' })));
    const pieces = [];
    stream.on('text', (piece) => pieces.push(piece));
    return { text: await stream.finalText(), pieces, stop: (await stream.finalMessage()).stop_reason };
  },

  async tools() {
    const tools = [{ name: 'get_weather', description: 'The weather in a city.', input_schema: city }];
    const thinking = { type: 'adaptive', display: 'summarized' };
    const request = asking('Call get_weather.', { tools, thinking });
    const first = await client.messages.stream(request).finalMessage();
    const calls = first.content.filter((block) => block.type === 'tool_use');
    const results = calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: 'It rains.' }));
    const turns = [{ role: 'assistant', content: first.content }, { role: 'user', content: results }];
    const last = await client.messages.create({ ...request, messages: [...request.messages, ...turns] });
    return { kinds: first.content.map((block) => block.type), input: calls[0].input, text: last.content.at(-1).text };
  },

  async runner() {
    const run = ({ city: place }) => `It rains in ${place}.`;
    const tool = betaTool({ name: 'get_weather', description: 'The weather.', inputSchema: city, run });
    const last = await client.beta.messages.toolRunner(asking('Call get_weather.', { tools: [tool] }));
    return last.content.at(-1).text;
  },

  async tokens() {
    const { max_tokens: _, ...request } = asking('How many?');
    return (await client.messages.countTokens(request)).input_tokens;
  },

  async models() {
    const names = (await collected(client.models.list({ limit: 5 }))).map((info) => info.id);
    return { names, one: (await client.models.retrieve(model)).display_name };
  },

  async errors() {
    const refused = (script) => failure(() => client.messages.create(asking(simulate(script))));
    return [
      await failure(() => client.messages.create(asking('Hi', { stop_sequences: [' '] }))),
      await failure(() => client.messages.create(asking('Hi', { model: 'claude-3-opus-20240229' }))),
      await refused({ error: 429, headers: { 'retry-after': '7' } }),
      await refused({ error: 529 }),
    ];
  },

  async broken() {
    const outcomes = [];
    for (const script of [{ error: 'overloaded_error' }, { cut: 'end' }, { cut: 'reset' }]) {
      const events = [];
      const request = asking(simulate({ text: 'one two three', after: 5, ...script }), { stream: true });
      const told = await failure(async () => collected(await client.messages.create(request), events));
      outcomes.push({ events, told });
    }
    return outcomes;
  },

  async refused() {
    return failure(() => client.messages.create(asking('Hi')));
  },
};

const results = {};
for (const name of chosen.length ? chosen : Object.keys(scenarios)) {
  sent = [];
  try {
    results[name] = { outcome: await scenarios[name](), sent };
  } catch (error) {
    results[name] = { threw: error.stack, sent };
  }
}
console.log(JSON.stringify(results));
