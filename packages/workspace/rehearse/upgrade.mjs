import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from './child.mjs'

/** @import { NodeRelease } from './managers.mjs' */

const servers = () => import('../../test-servers/dist/index.js')

/**
 * For each storage: the function that chooses a new file or starts an empty server. `place`: its path or address.
 * @type {Record<string, (folder: string) => Promise<{ place: string, stop?: () => Promise<void> }>>}
 */
const places = {
  sqlite: async (folder) => ({ place: join(mkdtempSync(join(folder, 'sqlite-')), 'jobs.db') }),
  redis: async () => {
    const server = await (await servers()).startRedis()
    return { place: server.url, stop: () => server.stop() }
  },
  postgres: async () => {
    const server = await (await servers()).startPostgres({ quick: true })
    return { place: server.url, stop: () => server.stop() }
  },
  dynamodb: async () => {
    const server = await (await servers()).startDynamoDB({ data: 'memory' })
    return { place: server.endpoint, stop: () => server.stop() }
  },
}

export const storageNames = Object.keys(places)

const ran = (/** @type {any[]} */ messages) => messages.filter((message) => message === 'ran').length

/**
 * On one storage: kills a node of the old version, upgrades, runs both versions side by side, and downgrades.
 * @param {string} storage
 * @param {{ folder: string, node: NodeRelease, oldProject: string, newProject: string }} options
 * @returns {Promise<string>} what happened, for the report
 */
export async function upgradeAndBack(storage, { folder, node, oldProject, newProject }) {
  const { place, stop } = await /** @type {NonNullable<typeof places[string]>} */ (places[storage])(folder)
  /** @type {Child[]} */
  const children = []
  const start = (/** @type {string} */ cwd, /** @type {string} */ command, nodeId = 'none') => {
    const child = new Child(node.program, ['node.mjs', command, storage, place, nodeId], { cwd })
    children.push(child)
    return child
  }
  try {
    const killed = start(oldProject, 'run', 'killed')
    await killed.until('16 runs of the old version', (messages) => ran(messages) >= 16)
    await killed.until('start of the long run', (messages) => messages.includes('long, attempt 1'))
    await killed.end('SIGKILL')
    const upgraded = start(newProject, 'run', 'upgraded')
    await upgraded.until('takeover by the new version', (messages) => messages.includes('long, attempt 2'))
    const old = start(oldProject, 'run', 'old')
    await old.until('readiness of the old version', (messages) => messages.includes('ready'))
    const before = ran(upgraded.messages)
    await old.until('16 runs of the old version beside the new one', (messages) => ran(messages) >= 16)
    await upgraded.until('16 runs of the new version beside the old one', (messages) => ran(messages) >= before + 16)
    old.send('nodes')
    const listOf = (/** @type {any[]} */ messages) => messages.find((message) => message.nodes)
    await old.until('list of nodes', listOf)
    const { nodes } = listOf(old.messages)
    for (const wanted of ['old 0.1.0 working', 'upgraded 0.2.0 working']) {
      if (!nodes.includes(wanted))
        throw new Error(`The list of nodes does not contain "${wanted}": ${nodes.join(', ')}`)
    }
    await Promise.all([old.end('SIGTERM'), upgraded.end('SIGTERM')])
    const downgrade = await goBack(start(oldProject, 'run', 'back'))
    const look = start(newProject, 'look')
    await look.until('result', (messages) => messages.length > 0)
    const { slots, problems } = look.messages[0]
    if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'))
    return `${slots.completed} slots completed, ${slots.waiting} wait, downgrade ${downgrade}`
  } finally {
    for (const child of children) await child.end('SIGKILL')
    await stop?.()
  }
}

/**
 * Checks that a node of the old version alone runs on the data of the new version.
 * @param {Child} node
 */
async function goBack(node) {
  try {
    await node.until('16 runs after the downgrade', (messages) => ran(messages) >= 16)
  } catch (error) {
    if (node.output.includes('STORAGE_SCHEMA_NEWER')) return 'is refused with STORAGE_SCHEMA_NEWER'
    throw error
  }
  await node.end('SIGTERM')
  return 'works'
}
