// MQTT.js for the scenarios of client_scenarios.py: any number of connections, told by lines what to do.
//
//   node mqttjs_client.cjs MODULES      MODULES: the folder in which mqtt is installed
'use strict'
const fs = require('fs')
const path = require('path')
const lines = require('./client_lines.cjs')

const mqtt = require(path.join(process.argv[2], 'node_modules', 'mqtt'))
const clients = new Map()

function options (c) {
  const v5 = c.version === 5
  const will = c.will && {
    topic: c.will.topic,
    payload: c.will.payload,
    qos: c.will.qos,
    retain: c.will.retain,
    ...(v5 ? { properties: { willDelayInterval: c.will.delay } } : {})
  }
  return {
    clientId: c.id,
    protocolVersion: c.version,
    clean: c.clean,
    reconnectPeriod: 0,
    connectTimeout: 10000,
    ...(c.ca ? { ca: fs.readFileSync(c.ca) } : {}),
    ...(will ? { will } : {}),
    ...(v5 ? { properties: { sessionExpiryInterval: c.expiry } } : {})
  }
}

function toMqttJs (p) {
  return {
    ...(p.response_topic ? { responseTopic: p.response_topic } : {}),
    ...(p.correlation ? { correlationData: Buffer.from(p.correlation) } : {}),
    ...(p.content_type ? { contentType: p.content_type } : {}),
    ...(p.user ? { userProperties: Object.fromEntries(p.user) } : {})
  }
}

async function connect (c) {
  const client = mqtt.connect(c.url, options(c))
  clients.set(c.client, { client, v5: c.version === 5 })
  client.on('message', (topic, payload, packet) => lines.say({
    client: c.client,
    event: 'message',
    topic,
    payload: payload.toString(),
    qos: packet.qos,
    retain: packet.retain,
    properties: lines.properties(packet.properties || {})
  }))
  const connack = await new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed')))
  })
  client.on('error', (e) => lines.say({ client: c.client, event: 'error', text: String(e) }))
  for (const [filter, qos] of c.filters) await client.subscribeAsync(filter, { qos })
  return { event: 'connected', present: connack.sessionPresent }
}

async function publish (c) {
  const { client, v5 } = clients.get(c.client)
  const properties = v5 ? { properties: toMqttJs(c.properties) } : {}
  await client.publishAsync(c.topic, c.payload, { qos: c.qos, retain: c.retain, ...properties })
  return { event: 'published' }
}

async function disconnect (c) {
  await clients.get(c.client).client.endAsync()
  return { event: 'closed' }
}

async function cut (c) {
  const { client } = clients.get(c.client)
  await new Promise((resolve) => { client.once('close', resolve); client.stream.destroy() })
  return { event: 'closed' }
}

lines.serve({ connect, publish, disconnect, cut }, () => process.exit(0))
