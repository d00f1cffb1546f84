// Express and BullMQ: a cluster of processes that verify a callback and enqueue it once.
// With RECORDS=1 they first write what a list, a safety net and live updates need.
import cluster from 'node:cluster'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'

const { PORT, WEB_CONCURRENCY, WEBHOOK_SECRET, REDIS_URL, RECORDS } = process.env
const URL_LIFE_SECONDS = 600

if (WEB_CONCURRENCY > 1 && cluster.isPrimary) {
  for (let n = 0; n < Number(WEB_CONCURRENCY); n++) cluster.fork()
} else {
  serve()
}

function serve() {
  const redis = new Redis(REDIS_URL)
  const rescues = new Queue('rescues', { connection: redis })
  const app = express()
  app.disable('x-powered-by')
  app.get('/healthz', (_request, response) => response.json({ status: 'ok' }))
  app.post('/webhooks/bfl', express.raw({ type: '*/*', limit: '64kb' }), async (request, response) => {
    if (!isSigned(request.get('x-bfl-signature') ?? '', request.body)) return response.sendStatus(401)
    const report = JSON.parse(request.body)
    if (RECORDS) await record(redis, report)
    // BullMQ drops a second job with the same id.
    await rescues.add('rescue', report, { jobId: report.id })
    response.json({ id: report.id })
  })
  app.listen(Number(PORT), '127.0.0.1')
}

function record(redis, { id, status, result }) {
  const now = Date.now() / 1000
  return redis.multi()
    .hset(`job:${id}`, { status, created_at: now, result: JSON.stringify(result) })
    .zadd('jobs:ready', now, id)
    .zadd('by:source:callback', now, id)
    .zadd('due', now + 60, id)
    .zadd('rescues:pending', now + URL_LIFE_SECONDS, id)
    .hincrby('counters', 'callbacks', 1)
    .xadd('events', 'MAXLEN', '~', 20000, '*', 'id', id, 'status', status)
    .exec()
}

function isSigned(header, body) {
  const digest = createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex')
  const expected = Buffer.from(`sha256=${digest}`)
  const given = Buffer.from(header)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
