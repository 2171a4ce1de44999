// The Vercel AI SDK against a running proxy, as a provider of OpenAI's kind and of Anthropic's.
//
//   node ai-sdk.mjs URL
//
// URL is the proxy's. Prints one JSON object: for each provider its scenarios' outcomes, or what they threw.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';

const url = process.argv[2];
const compatible = createOpenAICompatible({ name: 'claude', baseURL: `${url}/openai/v1`, apiKey: 'dummy' });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: 'dummy' });
const providers = { compatible: compatible('claude-opus-5-5'), anthropic: anthropic('claude-opus-5-5') };
const simulate = (script) => `simulate: ${JSON.stringify(script)}`;
const city = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });

const scenarios = {
  async text(model) {
    const { text, usage, finishReason } = await generateText({ model, prompt: 'Hi', maxRetries: 0 });
    return { text, finishReason, tokens: usage.totalTokens };
  },

  async stream(model) {
    const pieces = [];
    const result = streamText({ model, prompt: simulate({ text: 'one two three' }), maxRetries: 0 });
    for await (const piece of result.textStream) pieces.push(piece);
    return pieces;
  },

  async tools(model) {
    const execute = async ({ city: place }) => `It rains in ${place}.`;
    const tools = { get_weather: tool({ description: 'The weather.', inputSchema: city, execute }) };
    const options = { model, tools, prompt: 'Call get_weather.', stopWhen: stepCountIs(3), maxRetries: 0 };
    return (await generateText(options)).text;
  },

  async error(model) {
    try {
      await generateText({ model, prompt: simulate({ error: 529 }), maxRetries: 0 });
    } catch (error) {
      return { status: error.statusCode };
    }
  },
};

const results = {};
for (const [provider, model] of Object.entries(providers)) {
  results[provider] = {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      results[provider][name] = await scenario(model);
    } catch (error) {
      results[provider][name] = { threw: error.stack };
    }
  }
}
console.log(JSON.stringify(results));
