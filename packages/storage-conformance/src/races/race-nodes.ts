import assert from 'node:assert/strict'
import type { CreateAnswer, JobRecord } from '@jobistemer/core/storage'
import { slotItem } from '../stage/create-items.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import type { CaseWorld } from '../storage-world.ts'

/** Connects several nodes, each with its own connection. */
export async function connectNodes(world: CaseWorld, count: number): Promise<readonly TestNode[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => TestNode.connect(world, `node-${index}`)))
}

/**
 * Connects three nodes, each with its own connection. Race cases use these nodes to make two or three different calls at once.
 */
export async function connectTrio(world: CaseWorld): Promise<readonly [TestNode, TestNode, TestNode]> {
  const connect = (index: number): Promise<TestNode> => TestNode.connect(world, `node-${index}`)
  return [await connect(0), await connect(1), await connect(2)]
}

/** Calls `body` for all nodes concurrently. */
export async function atOnce<T>(
  nodes: readonly TestNode[],
  body: (node: TestNode, index: number) => Promise<T>,
): Promise<readonly T[]> {
  return await Promise.all(nodes.map(body))
}

/** Returns the number of answers with this outcome. */
export function countOutcomes(answers: readonly { readonly outcome: string }[], outcome: string): number {
  return answers.filter((answer) => answer.outcome === outcome).length
}

/**
 * Asserts that `actual`, the number of connections that received a certain answer, equals `expected`. The error message
 * also contains `asked`, the number of all connections, and `told`, a description of the answer.
 */
export function expectTold(actual: number, asked: number, expected: number, told: string): void {
  const right = expected === 1 ? 'exactly one must be' : `${expected} must be`
  assert.equal(actual, expected, `${actual} of ${asked} connections were told that ${told}; ${right}`)
}

/** Asserts that no item occurs twice: competing connections must receive different items. */
export function expectDistinct(done: readonly string[], what: string, how: string): void {
  const twice = done.filter((id, index) => done.indexOf(id) !== index)
  assert.equal(twice.length, 0, `${twice.length} ${what} were ${how} more than once, among them ${twice[0]}`)
}

/** Returns the number of answers that report a created occurrence in this state. */
export function countCreated(answers: readonly CreateAnswer[], state: string): number {
  return answers.filter((answer) => answer.outcome === 'created' && answer.state === state).length
}

/**
 * Creates slots 1 to `count` of a job in order, as an engine does. Skips slots that other nodes have created. Returns the ids
 * of the slots that `node` has created.
 */
export async function followSeries(node: TestNode, job: JobRecord, count: number): Promise<readonly string[]> {
  const created: string[] = []
  let index = 1
  while (index <= count) {
    const item = slotItem(job, index, { run: true })
    const answer = await node.create(item)
    if (answer.outcome === 'created') created.push(item.id)
    if (answer.outcome === 'created' || answer.outcome === 'exists') index += 1
    else {
      assert.equal(answer.outcome, 'off_schedule', `slot ${index} was answered ${JSON.stringify(answer)}`)
      // With the answer `off_schedule`, another node has already created this slot. So the loop continues at the next instant
      // in the answer.
      const nextAt = answer.outcome === 'off_schedule' ? answer.nextAt : null
      assert.ok(
        nextAt !== null && nextAt > slotAt(index),
        `slot ${index} is off the schedule, and the next instant is ${nextAt}: the series cannot go on`,
      )
      index = Math.round((nextAt - slotAt(0)) / (slotAt(1) - slotAt(0)))
    }
  }
  return created
}
