// Calls with the official TypeScript client of MCP, told on stdin; the answers go to stdout as JSON.
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const METHODS = {
  list_tools: (client) => client.listTools(),
  list_resources: (client) => client.listResources(),
  list_resource_templates: (client) => client.listResourceTemplates(),
  read_resource: (client, uri) => client.readResource({ uri }),
  call_tool: (client, name, args) => client.callTool({ name, arguments: args }),
  async call_tool_with_progress(client, name, args) {
    const progress = [];
    const onprogress = ({ progress: value, message }) => progress.push([value, message]);
    return { ...await client.callTool({ name, arguments: args }, undefined, { onprogress }), progress };
  },
};

const { url, key, calls } = JSON.parse(readFileSync(0, 'utf8'));
const client = new Client({ name: 'fluxkeep-tests', version: '1' });
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { 'x-key': key } } });
await client.connect(transport);
const answers = [transport.protocolVersion];
for (const [method, ...args] of calls) {
  answers.push(await METHODS[method](client, ...args)
    .catch(({ name, message }) => ({ error: { name, message } })));
}
await client.close();
console.log(JSON.stringify(answers));
