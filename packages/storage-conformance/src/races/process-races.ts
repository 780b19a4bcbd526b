import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobId, JsonValue } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { requestItem, slotAddress } from '../stage/create-items.ts'
import { expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'
import { everyMinute } from './connection-races.ts'
import { expectAllLive } from './heartbeat-races.ts'
import { expectDistinct } from './race-nodes.ts'
import { RaceProcess, raceProcesses } from './race-process.ts'
import type {
  Acknowledged,
  ClaimParameters,
  HeartbeatParameters,
  QueueParameters,
  SeriesParameters,
  WriterParameters,
} from './race-scripts.ts'

const processCount = 4

const nodeNames: readonly string[] = Array.from({ length: processCount }, (_, index) => `process-${index}`)

export function processRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of processes',
    {
      'each slot of a series is created by exactly one process': async (world) => {
        const node = await TestNode.connect(world, 'parent')
        const count = rounds(40, effort)
        const jobs: JobId[] = []
        for (const name of ['alpha', 'beta', 'gamma', 'delta']) {
          jobs.push((await node.createJob({ name, policy: 'allow' })).id)
        }
        const parameters = nodeNames.map((name): SeriesParameters => ({ node: name, jobs, count }))
        const created = (await raceProcesses<string[]>(world, 'series', parameters)).flat()
        expectDistinct(created, 'slots', 'created')
        const expected = count * jobs.length
        assert.equal(created.length, expected, `${created.length} of ${expected} slots were created`)
        await assertLedger(node.storage, { slots: everyMinute })
      },

      'each pending occurrence is claimed by exactly one process': async (world) => {
        const node = await TestNode.connect(world, 'parent')
        const job = await node.createJob({ policy: 'allow' })
        const count = rounds(200, effort)
        const items = Array.from({ length: count }, (_, index) => requestItem(job, `key-${index}`, slotAt(1) + index))
        for (const answer of await node.createAll(items, slotAt(1))) expectOutcome(answer, 'created')
        const now = slotAt(1) + count
        const parameters = nodeNames.map((name): ClaimParameters => ({ node: name, now }))
        const claims = (await raceProcesses<[string, number][]>(world, 'claim', parameters)).flat()
        const claimed = claims.map(([id]) => id)
        expectDistinct(claimed, 'pending occurrences', 'claimed')
        assert.deepEqual(claimed.sort(), items.map((item) => item.id).sort(), 'not all that was pending was claimed')
        const tokens = [...new Set(claims.map(([, token]) => token))]
        assert.deepEqual(tokens, [1], `the first claims gave out the tokens ${tokens.join(', ')}`)
        await assertLedger(node.storage)
      },

      'a queue is worked off by many processes, one at a time, and nothing is left behind': async (world) => {
        const folder = await mkdtemp(join(tmpdir(), 'storage-conformance-'))
        try {
          const node = await TestNode.connect(world, 'parent')
          const job = await node.createJob({ policy: 'queue' })
          const count = rounds(25, effort)
          const witness = join(folder, 'witness')
          const parameters = nodeNames.map((name): QueueParameters => ({ node: name, job: job.id, count, witness }))
          const finished = await raceProcesses<number>(world, 'queue', parameters)
          const expected = count * processCount
          const total = finished.reduce((sum, number) => sum + number, 0)
          assert.equal(total, expected, `${total} of ${expected} queued occurrences were finished`)
          assertOneAtATime(await readFile(witness, 'utf8'), expected)
          await assertLedger(node.storage, { atRest: true })
        } finally {
          await rm(folder, { recursive: true })
        }
      },

      'no node of many processes is lost while others remove what they take for dead': async (world) => {
        const storage = await world.connect()
        const [nodesOfEach, count] = [4, rounds(20, effort)]
        const parameters = nodeNames.map((_, process): HeartbeatParameters => {
          return { nodes: Array.from({ length: nodesOfEach }, (__, index) => process * nodesOfEach + index), count }
        })
        await raceProcesses(world, 'heartbeats', parameters)
        await expectAllLive([storage], count, nodesOfEach * processCount)
      },

      'many processes that replace one job lose no update': async (world) => {
        const node = await TestNode.connect(world, 'parent')
        const job = await node.createJob()
        const count = rounds(15, effort)
        const parameters = nodeNames.map((name): SeriesParameters => ({ node: name, jobs: [job.id], count }))
        await raceProcesses(world, 'replace', parameters)
        const { version } = await node.head(job.id)
        const saved = count * processCount
        assert.equal(version, 1 + saved, `${saved} replaces were saved, the version is ${version}`)
      },
    },
    { depth: 'races', needs: ['multiProcess'], timeoutMs: 180_000 },
  )
}

/**
 * Checks the witness file. Each process has appended one line to this file for each start and each end of a run. Asserts that
 * the line after each start line is the end line of the same occurrence.
 */
function assertOneAtATime(witness: string, expected: number): void {
  const lines = witness.trimEnd().split('\n')
  assert.equal(lines.length, expected * 2, `${expected} occurrences started and ended in ${lines.length} lines`)
  for (let index = 0; index < lines.length; index += 2) {
    const [start, id] = itemAt(lines, index).split(' ')
    assert.equal(start, 'start', `line ${index + 1}: ${lines[index]}`)
    assert.equal(lines[index + 1], `end ${id}`, `line ${index + 2}: another occurrence of the job ran meanwhile`)
  }
  expectDistinct(lines, 'starts and ends', 'witnessed')
}

export function killRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'killed processes',
    {
      'what was acknowledged survives kill -9, and another process carries on': async (world) => {
        const node = await TestNode.connect(world, 'parent')
        const job = await node.createJob({ policy: 'queue' })
        for (let round = 1; round <= rounds(3, effort); round++) {
          const { watermark } = await node.head(job.id)
          const from = slotNumber(watermark) + 1
          const acknowledged = await writeUntilKilled(
            world,
            { node: `writer-${round}`, job: job.id, from },
            10 + round * 7,
          )
          await expectStored(node, job, acknowledged)
          await assertLedger(node.storage, { slots: everyMinute })
          await reapRunning(node, job)
        }
        await assertLedger(node.storage, { slots: everyMinute, atRest: true })
      },
    },
    { depth: 'races', needs: ['multiProcess', 'durability'], timeoutMs: 180_000 },
  )
}

/**
 * Cases that replace {@link killRaces} for a storage that only one process at a time can open. While the child writes, the
 * parent has no connection.
 */
export function soleKillRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'killed processes',
    {
      'what was acknowledged to the only process survives kill -9': async (world) => {
        assert.ok(
          world.processes !== undefined,
          'a durable storage needs `processes` in its world: the test kills a process, and reads its acknowledged writes',
        )
        const first = await TestNode.connect(world, 'parent')
        const job = await first.createJob({ policy: 'queue' })
        await first.storage.close()
        for (let round = 1, from = 1; round <= rounds(3, effort); round++) {
          const parameters = { node: `writer-${round}`, job: job.id, from }
          const acknowledged = await writeUntilKilled(world, parameters, 10 + round * 7)
          const node = await TestNode.connect(world, 'parent')
          await expectStored(node, job, acknowledged)
          const { watermark } = await node.head(job.id)
          from = slotNumber(watermark) + 1
          await assertLedger(node.storage, { slots: everyMinute })
          await reapRunning(node, job)
          await node.storage.close()
        }
      },
    },
    { depth: 'races', needs: ['durability'], timeoutMs: 180_000 },
  )
}

function slotNumber(at: number): number {
  return Math.round((at - slotAt(0)) / (slotAt(1) - slotAt(0)))
}

async function expectStored(node: TestNode, job: JobRecord, acknowledged: readonly Acknowledged[]): Promise<void> {
  for (const { index, step } of acknowledged) {
    const record = await node.find(slotAddress(job, index).id)
    const state = record?.state ?? 'not there'
    const allowed = step === 'finished' ? ['completed'] : ['running', 'completed']
    assert.ok(allowed.includes(state), `slot ${index} was acknowledged as ${step} and is ${state}`)
  }
}

/** Reaps the runs of a killed process, so that the next round can start other occurrences. */
async function reapRunning(node: TestNode, job: JobRecord): Promise<void> {
  for (const record of await node.history(job.id)) {
    if (record.state === 'running') expectOutcome(await node.reap(record, { runs: [] }), 'reaped')
  }
}

/** Kills a child after it has reported a number of acknowledged steps, and returns these steps. */
async function writeUntilKilled(
  world: CaseWorld,
  parameters: WriterParameters,
  answers: number,
): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = []
  const writer = new RaceProcess(world, 'write', parameters, (value: JsonValue, process) => {
    acknowledged.push(value as Acknowledged)
    if (acknowledged.length === answers) process.kill()
  })
  await writer.ready()
  writer.go()
  await assert.rejects(writer.result(), /SIGKILL/)
  await writer.gone()
  return acknowledged
}
