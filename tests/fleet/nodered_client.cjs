// Node-RED's MQTT nodes for the scenarios of client_scenarios.py: a runtime without an editor; each connection is a flow
// of an mqtt-broker, an mqtt out and an mqtt in node for each filter.
//
//   node nodered_client.cjs MODULES FOLDER      MODULES: where node-red is installed; FOLDER: its own, which is empty
'use strict'
const path = require('path')
const lines = require('./client_lines.cjs')

const [modules, folder] = process.argv.slice(2)
const RED = require(path.join(modules, 'node_modules', 'node-red'))
const connections = new Map()
const waiting = new Map() // what the mqtt out nodes were given and haven't done, by message id
let given = 0

function messageFrom (name, msg) {
  lines.say({
    client: name,
    event: 'message',
    topic: msg.topic,
    payload: msg.payload,
    qos: msg.qos,
    retain: msg.retain,
    properties: lines.properties(msg)
  })
}

function willOf (will, v5) {
  if (!will) return {}
  return {
    willTopic: will.topic,
    willPayload: will.payload,
    willQos: String(will.qos),
    willRetain: String(will.retain),
    willMsg: v5 ? { delay: String(will.delay) } : {}
  }
}

function nodesOf (c) {
  const id = (what) => c.client + '-' + what
  const v5 = c.version === 5
  const broker = {
    id: id('broker'),
    type: 'mqtt-broker',
    broker: c.url,
    clientid: c.id,
    autoConnect: false,
    autoUnsubscribe: c.clean,
    usetls: Boolean(c.ca),
    tls: c.ca ? id('tls') : '',
    protocolVersion: String(c.version),
    keepalive: '60',
    cleansession: c.clean,
    sessionExpiry: v5 ? String(c.expiry) : '',
    ...willOf(c.will, v5)
  }
  const tls = { id: id('tls'), type: 'tls-config', cert: '', key: '', ca: c.ca || '', verifyservercert: true }
  const out = { id: id('out'), type: 'mqtt out', broker: broker.id, topic: '', qos: '', retain: '', wires: [] }
  const take = {
    id: id('take'),
    type: 'function',
    func: `global.get('take')('${c.client}', msg)`,
    outputs: 0,
    wires: []
  }
  const ins = c.filters.map(([filter, qos], n) => ({
    id: id('in' + n),
    type: 'mqtt in',
    broker: broker.id,
    topic: filter,
    qos: String(qos),
    datatype: 'utf8',
    nl: false,
    rap: false,
    rh: 0,
    wires: [[take.id]]
  }))
  return { label: c.client, nodes: [out, take, ...ins], configs: c.ca ? [broker, tls] : [broker] }
}

// Gives the mqtt out node a message; done when the node says that it is.
function give (out, msg) {
  return new Promise((resolve, reject) => {
    const id = 'm' + given++
    waiting.set(id, { resolve, reject })
    out.receive({ ...msg, _msgid: id })
  })
}

function completed (event) {
  const waits = waiting.get(event.msg._msgid)
  if (!waits) return
  waiting.delete(event.msg._msgid)
  if (event.error) waits.reject(event.error)
  else waits.resolve()
}

// Node-RED says neither when its nodes have started nor when a filter is granted: the second is seen at MQTT.js.
async function started (id) {
  for (;;) {
    const node = RED.nodes.getNode(id)
    if (node) return node
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function granted (client, count) {
  return new Promise((resolve, reject) => {
    let left = count
    if (left === 0) resolve()
    client.on('packetreceive', (packet) => { if (packet.cmd === 'suback' && --left === 0) resolve() })
    client.on('close', () => reject(new Error('closed')))
  })
}

async function connect (c) {
  const nodes = nodesOf(c)
  await RED.runtime.flows.addFlow({ flow: nodes })
  const broker = await started(nodes.configs[0].id)
  const out = await started(nodes.nodes[0].id)
  for (const node of nodes.nodes) await started(node.id)
  const connecting = give(out, { action: 'connect' })
  const subscribed = granted(broker.client, c.filters.length)
  const connack = await new Promise((resolve, reject) => {
    broker.client.once('connect', resolve)
    broker.client.once('error', reject)
  })
  await Promise.all([connecting, subscribed])
  connections.set(c.client, { broker, out })
  return { event: 'connected', present: connack.sessionPresent }
}

async function publish (c) {
  const p = c.properties
  await give(connections.get(c.client).out, {
    topic: c.topic,
    payload: c.payload,
    qos: c.qos,
    retain: c.retain,
    ...(p.response_topic ? { responseTopic: p.response_topic } : {}),
    ...(p.correlation ? { correlationData: Buffer.from(p.correlation) } : {}),
    ...(p.content_type ? { contentType: p.content_type } : {}),
    ...(p.user ? { userProperties: Object.fromEntries(p.user) } : {})
  })
  return { event: 'published' }
}

async function disconnect (c) {
  await give(connections.get(c.client).out, { action: 'disconnect' })
  return { event: 'closed' }
}

// It would come back after mqttReconnectTime only.
async function cut (c) {
  const { client } = connections.get(c.client).broker
  await new Promise((resolve) => { client.once('close', resolve); client.stream.destroy() })
  return { event: 'closed' }
}

async function main () {
  RED.init({
    userDir: folder,
    flowFile: 'flows.json',
    credentialSecret: false,
    httpAdminRoot: false,
    httpNodeRoot: false,
    logging: { console: { level: 'off' } },
    functionGlobalContext: { take: messageFrom },
    mqttReconnectTime: 3600000
  })
  RED.hooks.add('onComplete.scenarios', completed)
  const running = new Promise((resolve) => RED.events.once('flows:started', resolve))
  await RED.start()
  await running
  lines.serve({ connect, publish, disconnect, cut }, () => process.exit(0))
}

main()
