// MQTT.js over WebSocket: echoes messages to itself at each QoS, leaves a will, and says what happened as one JSON line.
//
//   node mqttjs_client.cjs MODULES URL [CA]      MODULES: the folder in which mqtt is installed
'use strict'
const fs = require('fs')
const path = require('path')

const [modules, url, ca] = process.argv.slice(2)
const mqtt = require(path.join(modules, 'node_modules', 'mqtt'))
const result = { got: [], errors: [] }
const payloads = { 'js/0': 'zero', 'js/1': 'x'.repeat(100000), 'js/2': 'two' }

function finish (code) {
  console.log(JSON.stringify(result))
  process.exit(code)
}

const client = mqtt.connect(url, {
  clientId: 'mqttjs',
  protocolVersion: 4,
  reconnectPeriod: 0,
  connectTimeout: 10000,
  ca: ca ? fs.readFileSync(ca) : undefined
})
setTimeout(() => { result.errors.push('too late'); finish(1) }, 30000)
client.on('error', (e) => { result.errors.push(String(e)); finish(1) })
client.on('message', (topic, message, packet) => {
  result.got.push([topic, packet.qos, message.toString() === payloads[topic]])
  if (result.got.length === 3) client.end(false, {}, () => finish(0))
})
client.on('connect', () => {
  client.subscribe('js/#', { qos: 2 }, () => {
    for (const topic of Object.keys(payloads)) client.publish(topic, payloads[topic], { qos: Number(topic.slice(3)) })
  })
})
