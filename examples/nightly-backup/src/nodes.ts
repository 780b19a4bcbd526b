import type { Occurrence } from '@jobistemer/core'
import type { WitnessLine } from './witness.ts'

/** Names of the demo's nodes. */
export const nodeNames = ['A', 'B'] as const

/** The node that an attempt ran on; `null` when that is not known, or not worth telling. */
export type NodeOf = (occurrence: Occurrence['id'], task: string, attempt: number) => string | null

/** With one node, the output does not name the node. */
export const anyNode: NodeOf = () => null

/** As the witness has it: the ledger names the last owner of each occurrence only. */
export function nodesOf(witness: readonly WitnessLine[]): NodeOf {
  const nodes = new Map(witness.map((line) => [keyOf(line.occurrence, line.task, line.attempt), line.node]))
  return (occurrence, task, attempt) => nodes.get(keyOf(occurrence, task, attempt)) ?? null
}

/** What each node did: in which processes, how many attempts it started, and how many slots it ended. */
export function nodeLines(witness: readonly WitnessLine[], occurrences: readonly Occurrence[]): readonly string[] {
  const nodes = [...new Set(witness.map(({ node }) => node))].sort()
  return nodes.map((node) => {
    const starts = witness.filter((line) => line.node === node && line.event === 'start')
    const processes = [...new Set(starts.map((line) => line.process))]
    const ended = occurrences.filter((occurrence) => occurrence.node === node && occurrence.finishedAt !== null)
    return `  ${node}  process ${processes.join(', then ')}: started ${count(starts.length, 'attempt')}, ended ${count(ended.length, 'slot')}`
  })
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function keyOf(occurrence: string, task: string, attempt: number): string {
  return `${occurrence} ${task} ${attempt}`
}
