// BullMQ worker: downloads four images at a time, verifies, syncs and records each as Fluxkeep does.
import { createHash } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'

const { REDIS_URL, MEDIA } = process.env
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null })

new Worker('rescues', (job) => rescue(job.data), { connection: redis, concurrency: 4 })

async function rescue({ id, result }) {
  const answer = await fetch(result.sample)
  if (!answer.ok) throw new Error(`${result.sample}: ${answer.status}`)
  const path = `${MEDIA}/${id}`
  const file = await open(`${path}.part`, 'w')
  const md5 = createHash('md5'), sha256 = createHash('sha256')
  let bytes = 0
  try {
    for await (const piece of answer.body) {
      md5.update(piece)
      sha256.update(piece)
      bytes += piece.length
      await file.writeFile(piece)
    }
    if (md5.digest('base64') !== answer.headers.get('content-md5')) throw new Error('wrong MD5')
    await file.sync()
  } finally {
    await file.close()
  }
  const facts = { id, status: 'stored', bytes, sha256: sha256.digest('hex'), ended_at: Date.now() / 1000 }
  await writeSynced(`${path}.json`, JSON.stringify(facts))
  await rename(`${path}.part`, `${path}.jpeg`)
  await syncDirectory(MEDIA)
  await record(facts)
}

async function writeSynced(path, text) {
  const file = await open(`${path}.part`, 'w')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.part`, path)
}

async function syncDirectory(path) {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function record(facts) {
  return redis.multi()
    .hset(`job:${facts.id}`, facts)
    .zrem('jobs:ready', facts.id)
    .zadd('jobs:stored', facts.ended_at, facts.id)
    .zrem('due', facts.id)
    .zrem('rescues:pending', facts.id)
    .hincrby('counters', 'stored', 1)
    .xadd('events', 'MAXLEN', '~', 20000, '*', 'id', facts.id, 'status', facts.status)
    .exec()
}
