import type { Occurrence } from '@jobistemer/core'
import type { WitnessLine } from './witness.ts'

/** Names of the demo's nodes. */
export const nodeNames = ['A', 'B'] as const

/** Returns the node that ran an attempt; `null` if the node is unknown, or if the output does not name nodes. */
export type NodeOf = (occurrence: Occurrence['id'], task: string, attempt: number) => string | null

/** Finds no node for any attempt, so that the output names no node. Demos with one node use this function. */
export const anyNode: NodeOf = () => null

/**
 * Derives the node of each attempt from the lines that the handlers wrote at their start and at their end. The ledger
 * names only the last owner of an occurrence.
 */
export function nodesOf(witness: readonly WitnessLine[]): NodeOf {
  const nodes = new Map(witness.map((line) => [keyOf(line.occurrence, line.task, line.attempt), line.node]))
  return (occurrence, task, attempt) => nodes.get(keyOf(occurrence, task, attempt)) ?? null
}

/** Describes each node: its processes, the number of attempts that it started, and the number of slots that it ended. */
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
