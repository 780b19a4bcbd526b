import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import type { JobId, JsonValue } from '@jobistemer/core'
import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { requestItem, slotItem } from '../stage/create-items.ts'
import { itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { beatAndRemove } from './heartbeat-races.ts'
import { followSeries } from './race-nodes.ts'

type RaceScript = (storage: Storage, parameters: JsonValue, report: (value: JsonValue) => void) => Promise<JsonValue>

// These parameters are type aliases, because TypeScript does not accept interfaces as `JsonValue`.

export type SeriesParameters = {
  readonly node: string
  readonly jobs: readonly JobId[]
  readonly count: number
}

export type QueueParameters = {
  readonly node: string
  readonly job: JobId
  readonly count: number
  /**
   * File to which each start and end of a run is appended. The order of its lines proves the order of runs
   * independently of the storage.
   */
  readonly witness: string
}

export type ClaimParameters = { readonly node: string; readonly now: number }

export type HeartbeatParameters = {
  /** The numbers of the nodes that this process simulates. */
  readonly nodes: readonly number[]
  readonly count: number
}

export type WriterParameters = { readonly node: string; readonly job: JobId; readonly from: number }

/** A writer's report that the storage has acknowledged a step of slot `index`. */
export type Acknowledged = { readonly index: number; readonly step: 'created' | 'finished' }

/** The scripts that child processes of the races run, by name. */
export const raceScripts: Readonly<Record<string, RaceScript>> = {
  /** Creates the slots of all jobs. Returns the ids that this process created. */
  async series(storage, parameters) {
    const { node: name, jobs, count } = parameters as SeriesParameters
    const node = new TestNode(storage, name)
    const heads: JobRecord[] = []
    for (const id of jobs) heads.push(await node.head(id))
    const created = await Promise.all(heads.map((head) => followSeries(node, head, count)))
    return created.flat()
  },

  /**
   * Queues occurrences, and claims and finishes them until none is left. Returns the number of occurrences that this script
   * finished.
   */
  async queue(storage, parameters) {
    const { node: name, job: id, count, witness } = parameters as QueueParameters
    const node = new TestNode(storage, name)
    const job = await node.head(id)
    for (let index = 0; index < count; index++) {
      const answer = await node.create(requestItem(job, `${name}-${index}`, slotAt(1) + index), slotAt(1))
      assert.equal(answer.outcome, 'created', `trigger ${index} of ${name} was answered ${JSON.stringify(answer)}`)
    }
    let finished = 0
    for (;;) {
      const { claimed } = await node.claim(slotAt(9), { limit: 1 })
      for (const record of claimed) {
        appendFileSync(witness, `start ${record.id}\n`)
        await node.settle(record, { kind: 'progress' }, { sequence: 1 })
        appendFileSync(witness, `end ${record.id}\n`)
        await node.finish(record, { sequence: 2, now: slotAt(9) })
        finished += 1
      }
      if (claimed.length > 0) continue
      const waiting = [...(await node.liveIds('queued')), ...(await node.liveIds('pending'))]
      if (waiting.length === 0 && (await node.liveIds('running')).length === 0) return finished
    }
  },

  /** Claims until no occurrence is due. Returns the claimed ids with their tokens. */
  async claim(storage, parameters) {
    const { node: name, now } = parameters as ClaimParameters
    const node = new TestNode(storage, name)
    const claims: JsonValue[] = []
    for (;;) {
      const { claimed } = await node.claim(now, { limit: 7 })
      if (claimed.length === 0) return claims
      for (const record of claimed) claims.push([record.id, record.token])
    }
  },

  /** Sends heartbeats of several nodes, and removes other nodes as dead. Returns `null`. */
  async heartbeats(storage, parameters) {
    const { nodes, count } = parameters as HeartbeatParameters
    await Promise.all(nodes.map(async (index) => await beatAndRemove(storage, index, count)))
    return null
  },

  /**
   * Replaces a job again and again until `count` replacements were saved. Other processes replace the job at the same time.
   * Returns `null`.
   */
  async replace(storage, parameters) {
    const { node: name, jobs, count } = parameters as SeriesParameters
    const node = new TestNode(storage, name)
    for (let saved = 0; saved < count; ) {
      const answer = await node.replaceJob(itemAt(jobs, 0), { fingerprint: `${name}-${saved}` })
      if (answer.outcome === 'saved') saved += 1
      else assert.equal(answer.outcome, 'conflict', `a replace was answered ${JSON.stringify(answer)}`)
    }
    return null
  },

  /** Creates and finishes one slot after the other until the process is killed. Reports each acknowledged step. */
  async write(storage, parameters, report) {
    const { node: name, job: id, from } = parameters as WriterParameters
    const node = new TestNode(storage, name)
    const job = await node.head(id)
    for (let index = from; ; index++) {
      const item = slotItem(job, index, { run: true })
      const answer = await node.create(item)
      assert.equal(answer.outcome, 'created', `slot ${index} was answered ${JSON.stringify(answer)}`)
      report({ index, step: 'created' } satisfies Acknowledged)
      if (answer.outcome !== 'created' || answer.state !== 'running') continue
      await node.finish({ id: item.id, jobId: id, scheduledAt: item.scheduledAt, token: answer.token })
      report({ index, step: 'finished' } satisfies Acknowledged)
    }
  },
}
