// One generation with the Vercel AI SDK, told on stdin; what came of it goes to stdout as JSON.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createBlackForestLabs } from '@ai-sdk/black-forest-labs';
import { experimental_generateVideo as generateVideo, generateImage } from 'ai';
import { createBlackForestLabs as createOfAiSdk6 } from 'black-forest-labs-of-ai-sdk-6';

globalThis.AI_SDK_LOG_WARNINGS = false; // they are in the outcome

const PROVIDERS = { 'ai-sdk-6': createOfAiSdk6, 'ai-sdk-7': createBlackForestLabs };

async function generate({ client, url, key, model, prompt, input, patience }) {
  const provider = PROVIDERS[client]({ apiKey: key, baseURL: `${url}/v1` });
  const { image, warnings, providerMetadata } = await generateImage({
    model: provider.image(model),
    prompt,
    seed: input.seed,
    providerOptions: {
      blackForestLabs: {
        outputFormat: input.output_format,
        pollIntervalMillis: 200,
        pollTimeoutMillis: patience * 1000,
      },
    },
    maxRetries: 0,
  });
  return {
    sha256: createHash('sha256').update(image.uint8Array).digest('hex'),
    bytes: image.uint8Array.length,
    kind: image.mediaType,
    warnings,
    metadata: providerMetadata.blackForestLabs.images[0],
  };
}

// Its own download refuses loopback addresses.
async function download({ url }) {
  const answer = await fetch(url);
  return { data: new Uint8Array(await answer.arrayBuffer()), mediaType: answer.headers.get('content-type') };
}

async function film({ client, url, key, model, prompt, input, patience }) {
  const provider = PROVIDERS[client]({ apiKey: key, baseURL: `${url}/v1` });
  const { image, clip, ...options } = input;
  const { video, warnings, providerMetadata } = await generateVideo({
    model: provider.video(model),
    prompt: image ? { image, text: prompt } : prompt,
    inputReferences: clip && [{ data: clip, mediaType: 'video/mp4' }],
    poll: { intervalMs: 200, timeoutMs: patience * 1000 },
    providerOptions: { blackForestLabs: options },
    maxRetries: 0,
    download,
  });
  return {
    sha256: createHash('sha256').update(video.uint8Array).digest('hex'),
    kind: video.mediaType,
    warnings,
    metadata: providerMetadata.blackForestLabs.videos[0],
  };
}

const told = ({ name, message, statusCode }) => ({ error: { name, message, status: statusCode } });
const asked = JSON.parse(readFileSync(0, 'utf8'));
const outcome = await (asked.model.includes('video') ? film : generate)(asked).catch(told);
console.log(JSON.stringify(outcome));
