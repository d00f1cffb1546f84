// A notification, told on stdin, verified by the specification's own library for JavaScript.
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const { secret, headers, body } = JSON.parse(readFileSync(0, 'utf8'));
try {
  console.log(JSON.stringify({ payload: new Webhook(secret).verify(body, headers) }));
} catch ({ name, message }) {
  console.log(JSON.stringify({ error: { name, message } }));
}
