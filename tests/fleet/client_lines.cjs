// The JavaScript clients' side of client_program.py: commands come as lines of JSON, events go as lines of JSON.
'use strict'
const readline = require('readline')

function say (event) {
  process.stdout.write(JSON.stringify(event) + '\n')
}

// `commands`: by the name in "do", functions of the command that may return a promise of the answer.
function serve (commands, end) {
  const lines = readline.createInterface({ input: process.stdin })
  lines.on('line', async (line) => {
    const command = JSON.parse(line)
    try {
      say({ client: command.client, ...await commands[command.do](command) })
    } catch (e) {
      say({ client: command.client, event: 'error', text: String(e && e.stack ? e.stack : e) })
    }
  })
  lines.on('close', end)
}

// Of MQTT.js' properties, those that the scenarios look at, under the scenarios' names.
function properties (p) {
  const found = {}
  if (p.responseTopic !== undefined) found.response_topic = p.responseTopic
  if (p.correlationData !== undefined) found.correlation = p.correlationData.toString()
  if (p.contentType !== undefined) found.content_type = p.contentType
  if (p.userProperties !== undefined) {
    found.user = Object.entries(p.userProperties).flatMap(([k, v]) => [].concat(v).map((one) => [k, one]))
  }
  return found
}

module.exports = { serve, say, properties }
