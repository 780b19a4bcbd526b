import type { NodeInfo } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { observeNodes } from '../observe-nodes.ts'
import type { Cell } from '../output/table.ts'
import { readDuration } from '../values.ts'

type Life = 'alive' | 'silent' | 'unknown'

/** `jobistemer nodes`. */
export const nodes: Command = {
  description:
    'Lists the nodes on the storage. Only heartbeats show whether a node lives: --observe waits for one of each node.',
  options: [
    {
      flags: '--observe <duration>',
      description: 'maximum time to watch heartbeats (default: 0)',
      default: 0,
      parse: readDuration('--observe'),
    },
  ],
  examples: [
    ['nodes', 'at once'],
    ['nodes --observe 12s', 'and whether they live'],
  ],
  async run(context: Context, _, { observe }: { readonly observe: number }) {
    const [client, storage, clock] = await Promise.all([context.client(), context.storage(), context.session.clock()])
    const watched = await observeNodes(storage, { clock, forMs: observe, signal: context.signal })
    const lives = new Map(watched.map(({ record, isAlive }) => [record.incarnation, lifeOf(isAlive)]))
    const known = await client.nodes(context.call)
    const items = known.map((node) => {
      const observed: Life = node.dead === null ? (lives.get(node.incarnation) ?? 'unknown') : 'silent'
      return { ...node, observed }
    })
    if (context.out.isJson) return context.out.json({ nodes: items.map(({ silentForMs: _, ...node }) => node) })
    await printNodes(context, items)
  },
}

async function printNodes(
  { out, times }: Context,
  items: readonly (NodeInfo & { readonly observed: Life })[],
): Promise<void> {
  if (items.length === 0) {
    out.line('No nodes.')
    return
  }
  const { dim, green, red } = out.styles
  const styles = { alive: green, silent: red, unknown: dim }
  await out.table(
    [
      { title: 'NODE', shrinks: true },
      { title: 'STATE' },
      { title: 'OBSERVED' },
      { title: 'RUNS', align: 'right' },
      { title: 'STARTED' },
      { title: 'HOST', shrinks: true },
      { title: 'PID', align: 'right' },
      { title: 'VERSION' },
      { title: 'NODE.JS' },
      { title: 'ZONES' },
    ],
    items.map((node): readonly (string | Cell)[] => [
      node.node,
      node.dead === null ? node.state : { text: deathOf(node.dead, times), style: red },
      { text: node.observed, style: styles[node.observed] },
      `${node.running}/${node.maxConcurrentJobs}`,
      times.at(node.startedAt),
      node.host,
      String(node.pid),
      node.versions.jobistemer,
      node.versions.node,
      node.versions.timeZones,
    ]),
  )
}

function deathOf({ since, takenOverBy }: NonNullable<NodeInfo['dead']>, times: Context['times']): string {
  return `dead since ${times.at(since)}${takenOverBy === null ? '' : `, runs taken over by ${takenOverBy}`}`
}

function lifeOf(isAlive: boolean | null): Life {
  return isAlive === null ? 'unknown' : isAlive ? 'alive' : 'silent'
}
