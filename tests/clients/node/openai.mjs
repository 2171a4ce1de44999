// The official OpenAI client for Node against a running proxy.
//
//   node openai.mjs URL
//
// URL is the client's base URL. Prints one JSON object: each scenario's outcome, or what it threw.

import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'dummy', maxRetries: 0 });
const model = 'claude-opus-5-5';
const simulate = (script) => `simulate: ${JSON.stringify(script)}`;
const asking = (content, more = {}) => ({ model, messages: [{ role: 'user', content }], ...more });
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];

async function failure(call) {
  try {
    return { answered: await call() };
  } catch (error) {
    return { class: error.constructor.name, status: error.status ?? null, code: error.code ?? null };
  }
}

const scenarios = {
  async create() {
    const completion = await client.chat.completions.create(asking('Grüße 😀'));
    return { text: completion.choices[0].message.content, usage: completion.usage, id: completion._request_id };
  },

  async stream() {
    const options = { stream: true, stream_options: { include_usage: true } };
    const pieces = [];
    let usage = null;
    for await (const chunk of await client.chat.completions.create(asking(simulate({ text: 'one two three' }), options))) {
      if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
      usage = chunk.usage ?? usage;
    }
    return { pieces, usage };
  },

  async helper() {
    const stream = client.chat.completions.stream(asking('Call get_weather.', { tools }));
    const message = await stream.finalMessage();
    return message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  },

  async runner() {
    const run = ({ city }) => `It rains in ${city}.`;
    const runnable = [{ type: 'function', function: { ...tools[0].function, function: run, parse: JSON.parse } }];
    return client.chat.completions.runTools(asking('Call get_weather.', { tools: runnable })).finalContent();
  },

  async models() {
    const names = [];
    for await (const info of client.models.list()) names.push(info.id);
    return names;
  },

  async errors() {
    const refused = (script, more) => failure(() => client.chat.completions.create(asking(simulate(script), more)));
    return [
      await failure(() => client.chat.completions.create(asking('Hi', { n: 3 }))),
      await failure(() => client.chat.completions.create(asking('Hi', { model: 'gpt-4o' }))),
      await refused({ error: 429 }),
      await refused({ error: 529 }, { stream: true }),
    ];
  },

  async broken() {
    const script = simulate({ text: 'one two three', cut: 'reset', after: 5 });
    return failure(async () => {
      for await (const _ of await client.chat.completions.create(asking(script, { stream: true })));
    });
  },
};

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    results[name] = await scenario();
  } catch (error) {
    results[name] = { threw: error.stack };
  }
}
console.log(JSON.stringify(results));
