import type { Occurrence, TaskReport } from '@jobistemer/core'
import type { Kill } from './stage.ts'
import { printSlot } from './style.ts'
import type { WitnessLine } from './witness.ts'

/** A statement about the demo's run, and the problems that contradict the statement. Without problems the statement is true. */
export interface CheckResult {
  readonly claim: string
  readonly problems: readonly string[]
}

export interface CheckInput {
  /** Every slot of the schedule during the demo. */
  readonly slots: readonly Date[]
  /** All occurrences of the job in the ledger. */
  readonly occurrences: readonly Occurrence[]
  /** The lines that the handlers wrote at their start and at their end, in the order of writing. */
  readonly witness: readonly WitnessLine[]
  /** Names of the job's tasks, in their order. */
  readonly taskNames: readonly string[]
  /** The node that was killed in the middle of a task, and the node that continued its run; `null` without a kill. */
  readonly kill: Kill | null
}

/**
 * Compares the ledger with the schedule, and with the lines that the handlers wrote at their start and at their end.
 */
export function checkLedger(input: CheckInput): readonly CheckResult[] {
  const { slots, taskNames, kill } = input
  return [
    { claim: `each of the ${slots.length} slots has exactly one entry in the ledger`, problems: slotProblems(input) },
    { claim: `every entry is completed, with all of ${taskNames.join(', ')}`, problems: incompleteProblems(input) },
    { claim: 'no attempt of a task started more than once', problems: startProblems(input) },
    { claim: 'each completed task was completed exactly once, and never started again', problems: endProblems(input) },
    { claim: 'no two tasks ever ran at the same time', problems: overlapProblems(input) },
    { claim: 'each slot was ended by the node that the ledger names', problems: nodeProblems(input) },
    { claim: kill === null ? 'no attempt was lost' : lossClaim(kill), problems: lossProblems(input) },
  ]
}

function lossClaim({ node, successor }: Kill): string {
  return node === successor
    ? 'the attempt that was killed is recorded as lost, and a later one carried on'
    : `the attempt that was killed on node ${node} is recorded as lost, and node ${successor} carried on`
}

function slotProblems({ slots, occurrences }: CheckInput): string[] {
  const entries = new Map<number, number>(slots.map((slot) => [slot.getTime(), 0]))
  const problems: string[] = []
  for (const { id, scheduledAt } of occurrences) {
    const count = entries.get(scheduledAt.getTime())
    if (count === undefined) problems.push(`${id} is for ${scheduledAt.toISOString()}, which is no slot`)
    else entries.set(scheduledAt.getTime(), count + 1)
  }
  for (const [slotMs, count] of entries) {
    if (count !== 1) problems.push(`${printSlot(new Date(slotMs))} has ${count} entries`)
  }
  return problems
}

function incompleteProblems({ occurrences, taskNames }: CheckInput): string[] {
  return occurrences.flatMap(({ scheduledAt, state, tasks }) => {
    const slot = printSlot(scheduledAt)
    const problems = state === 'completed' ? [] : [`${slot} is ${state}`]
    for (const name of taskNames) {
      const task = tasks.find((candidate) => candidate.name === name)
      if (task === undefined) problems.push(`${slot} has no ${name}`)
      // Does not report a task that never started because an earlier task failed. The failed task itself is reported.
      else if (task.state === 'failed') problems.push(`${slot} ${name} is failed${reasonOf(task)}`)
      else if (task.state !== 'completed' && state === 'completed') problems.push(`${slot} ${name} is ${task.state}`)
    }
    return problems
  })
}

function startProblems({ occurrences, witness }: CheckInput): string[] {
  const problems: string[] = []
  const starts = new Map<string, number>()
  for (const line of witness) {
    if (line.event === 'start') starts.set(keyOf(line), (starts.get(keyOf(line)) ?? 0) + 1)
  }
  for (const { id, scheduledAt, tasks } of occurrences) {
    for (const task of tasks) {
      for (const [index, attempt] of task.attempts.entries()) {
        const what = `${printSlot(scheduledAt)} ${task.name} attempt ${attempt.number}`
        if (attempt.number !== index + 1) problems.push(`${what} stands where attempt ${index + 1} should`)
        const key = keyOf({ occurrence: id, task: task.name, attempt: attempt.number })
        const count = starts.get(key) ?? 0
        starts.delete(key)
        // An attempt is in the ledger before its handler is called, so a lost attempt may never have started.
        if (count === 0 && attempt.state !== 'lost') problems.push(`${what} is in the ledger, but never started`)
        if (count > 1) problems.push(`${what} started ${count} times`)
      }
    }
  }
  for (const key of starts.keys()) problems.push(`${key} started, but is not in the ledger`)
  return problems
}

function endProblems({ occurrences, witness }: CheckInput): string[] {
  return occurrences.flatMap(({ id, scheduledAt, tasks }) =>
    tasks.flatMap((task) => {
      if (task.state !== 'completed') return []
      const what = `${printSlot(scheduledAt)} ${task.name}`
      const own = witness.filter((line) => line.occurrence === id && line.task === task.name)
      const ends = own.filter(({ event }) => event === 'succeeded')
      const successes = task.attempts.filter(({ state }) => state === 'succeeded')
      const problems: string[] = []
      if (successes.length !== 1) problems.push(`${what} has ${successes.length} successful attempts in the ledger`)
      if (ends.length !== 1) problems.push(`${what} completed ${ends.length} times`)
      else if (ends[0]?.attempt !== successes[0]?.number) problems.push(`${what} was completed by another attempt`)
      if (ends[0] !== undefined && own.at(-1) !== ends[0]) problems.push(`${what} started again after its completion`)
      return problems
    }),
  )
}

/**
 * Reports each attempt that started during another attempt. The lines that the handlers wrote show when an attempt started
 * and ended.
 */
function overlapProblems({ occurrences, witness }: CheckInput): string[] {
  const lost = new Set(
    occurrences.flatMap(({ id, tasks }) =>
      tasks.flatMap(({ name, attempts }) =>
        attempts
          .filter(({ state }) => state === 'lost')
          .map(({ number }) => keyOf({ occurrence: id, task: name, attempt: number })),
      ),
    ),
  )
  const problems: string[] = []
  const tokens = new Map<string, number>()
  let running: WitnessLine | null = null
  for (const line of witness) {
    const what = `${printSlot(new Date(line.scheduledAt))} ${line.task} attempt ${line.attempt}`
    // The kill ended this attempt before its handler could append the line of its end.
    if (running !== null && lost.has(keyOf(running)) && running.process !== line.process) running = null
    if (line.event === 'start') {
      if (running !== null) problems.push(`${what} started while ${keyOf(running)} was running`)
      if (line.fencingToken < (tokens.get(line.occurrence) ?? 0)) problems.push(`${what} started for a former owner`)
      tokens.set(line.occurrence, line.fencingToken)
      running = line
    } else {
      if (running === null || keyOf(running) !== keyOf(line)) problems.push(`${what} ended, but was not running`)
      running = null
    }
  }
  if (running !== null && !lost.has(keyOf(running))) problems.push(`${keyOf(running)} never ended`)
  return problems
}

/**
 * Checks that the ledger names the right owner of each occurrence: the node whose handler wrote the last line about
 * this occurrence.
 */
function nodeProblems({ occurrences, witness }: CheckInput): string[] {
  return occurrences.flatMap(({ id, scheduledAt, node }) => {
    const last = witness.findLast(({ occurrence }) => occurrence === id)
    if (last === undefined || last.node === node) return []
    return [`${printSlot(scheduledAt)} ended on node ${last.node}, but the ledger names ${node}`]
  })
}

function lossProblems({ occurrences, witness, kill }: CheckInput): string[] {
  const problems: string[] = []
  let losses = 0
  for (const { id, scheduledAt, tasks } of occurrences) {
    for (const { name, attempts } of tasks) {
      for (const { number, state } of attempts) {
        if (state !== 'lost') continue
        losses++
        const what = `${printSlot(scheduledAt)} ${name} attempt ${number}`
        const key = keyOf({ occurrence: id, task: name, attempt: number })
        const lines = witness.filter((line) => keyOf(line) === key)
        const next = witness.find((line) => keyOf(line) === keyOf({ occurrence: id, task: name, attempt: number + 1 }))
        if (lines.length === 0) problems.push(`${what} was killed, but never started`)
        if (lines.some(({ event }) => event !== 'start')) problems.push(`${what} is recorded as lost, but ended`)
        if (next === undefined) problems.push(`${what} was lost, and nothing carried on`)
        else if (lines.some(({ fencingToken }) => fencingToken >= next.fencingToken)) {
          problems.push(`${what} and the one after it have the same owner`)
        }
        if (kill === null) continue
        if (lines.some(({ node }) => node !== kill.node)) problems.push(`${what} was not on node ${kill.node}`)
        if (next !== undefined && next.node !== kill.successor) {
          problems.push(`${what} was carried on by node ${next.node} instead of ${kill.successor}`)
        }
      }
    }
  }
  const killed = kill === null ? 0 : 1
  if (losses !== killed) problems.push(`${killed} killed, but ${losses} recorded as lost`)
  return problems
}

function reasonOf({ error }: TaskReport): string {
  return error === null ? '' : `: ${error.message}`
}

function keyOf(line: Pick<WitnessLine, 'occurrence' | 'task' | 'attempt'>): string {
  return `${line.occurrence} ${line.task} attempt ${line.attempt}`
}
