// Express and BullMQ: a cluster of processes that verify a callback and enqueue it once.
import cluster from 'node:cluster'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'

const { PORT, WEB_CONCURRENCY, WEBHOOK_SECRET, REDIS_URL } = process.env

if (cluster.isPrimary) {
  for (let n = 0; n < Number(WEB_CONCURRENCY); n++) cluster.fork()
} else {
  serve()
}

function serve() {
  const rescues = new Queue('rescues', { connection: new Redis(REDIS_URL) })
  const app = express()
  app.disable('x-powered-by')
  app.get('/healthz', (_request, response) => response.json({ status: 'ok' }))
  app.post('/webhooks/bfl', express.raw({ type: '*/*', limit: '64kb' }), async (request, response) => {
    if (!isSigned(request.get('x-bfl-signature') ?? '', request.body)) return response.sendStatus(401)
    const report = JSON.parse(request.body)
    // BullMQ drops a second job with the same id.
    await rescues.add('rescue', report, { jobId: report.id })
    response.json({ id: report.id })
  })
  app.listen(Number(PORT), '127.0.0.1')
}

function isSigned(header, body) {
  const digest = createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex')
  const expected = Buffer.from(`sha256=${digest}`)
  const given = Buffer.from(header)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
