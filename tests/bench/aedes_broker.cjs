// aedes with Redis: one broker process of a fleet, for tests/bench/bench.py.
// usage: node aedes_broker.cjs PACKAGES_FOLDER PORT REDIS_PORT
'use strict'

const net = require('net')
const path = require('path')
const { createRequire } = require('module')

const [folder, port, redisPort] = process.argv.slice(2)
const load = createRequire(path.resolve(folder, 'package.json'))

const redis = { host: '127.0.0.1', port: Number(redisPort) }
const options = {
  mq: load('mqemitter-redis')({ ...redis, concurrency: 1000 }),
  persistence: load('aedes-persistence-redis')({ ...redis, maxSessionDelivery: 100000 }),
  concurrency: 1000,
  queueLimit: 100000
}

async function main () {
  const { Aedes } = load('aedes')
  const broker = Aedes.createBroker ? await Aedes.createBroker(options) : new Aedes(options)
  net.createServer(broker.handle).listen(Number(port), '127.0.0.1')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
