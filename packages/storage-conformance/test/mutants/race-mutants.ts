import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  type ClaimAnswer,
  type CreateAnswer,
  type JobRecord,
  type OccurrenceRecord,
  type SaveJobAnswer,
  type SettleAnswer,
  type Storage,
  woken,
} from '@jobistemer/core/storage'
import type { StorageWorld } from '../../src/index.ts'
import { servedWorld } from '../served/served-storage.ts'
import { hoardingStorage } from '../served/hoarding-storage.mjs'
import { Ledger, ledgerStorage, ledgerWorld, letOthersGo, type Mutant, mutants } from './mutant.ts'

function checksThenCreates(ledger: Ledger): Partial<Storage> {
  return {
    async createOccurrences({ now, owner, items }) {
      const answers: CreateAnswer[] = []
      for (const item of items) {
        const head = ledger.jobs.get(item.jobId)
        const verdict = ledger.judge(item, head ?? null, ledger.occurrences.get(item.id))
        await letOthersGo()
        const blind = verdict === 'create' && (item.kind === 'slot' || item.kind === 'trigger') && head !== undefined
        answers.push(blind ? ledger.createDue(item, head, owner, now) : ledger.createOne(item, owner, now))
      }
      return structuredClone(answers)
    },
  }
}

/** Simulates a pool of connections: callers wait until a connection is free. */
class Permits {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free -= 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }
}

/** Mutants with faults that only concurrent calls of several connections show. */
export const raceMutants: readonly Mutant[] = mutants({
  'lets others read a head before its occurrence is stored': {
    rejectedBy: ['races of connections: a reader beside writers finds the occurrence of each watermark that it reads'],
    calls: (ledger) => ({
      async createOccurrences({ now, owner, items }) {
        const answers: CreateAnswer[] = []
        for (const item of items) {
          const answer = ledger.createOne(item, owner, now)
          answers.push(answer)
          const record = ledger.occurrences.get(item.id)
          if (answer.outcome !== 'created' || record === undefined) continue
          ledger.remove(record)
          await letOthersGo()
          ledger.put(record)
        }
        return structuredClone(answers)
      },
    }),
  },
  'takes a second connection of its pool for what a step reads': {
    rejectedBy: ['races of connections: one connection answers 25 calls at once'],
    waits: true,
    throws: true,
    calls: (ledger) => {
      const intact = ledgerStorage(ledger)
      const pool = new Permits(10)
      return {
        async createOccurrences(request) {
          return await pool.hold(async () => {
            await letOthersGo()
            return await pool.hold(() => intact.createOccurrences(request))
          })
        },
      }
    },
  },
  'checks whether the record exists, then creates it': {
    rejectedBy: [
      'races of connections: each slot of a series is created by exactly one node',
      'races of connections: all nodes that lose a create receive state, token and owner of the winner',
    ],
    calls: checksThenCreates,
  },
  'asks whether one is running, then creates': {
    rejectedBy: ['races of connections: different records of one job do not run at once, whatever creates them'],
    calls: (ledger) => ({
      async createOccurrences({ now, owner, items }) {
        const answers: CreateAnswer[] = []
        for (const item of items) {
          const head = ledger.jobs.get(item.jobId)
          const isFree = ledger.activeCount(item.jobId) === 0
          await letOthersGo()
          if (isFree && head !== undefined) ledger.putHead({ ...head, overlap: { ...head.overlap, policy: 'allow' } })
          answers.push(ledger.createOne(item, owner, now))
          const after = ledger.jobs.get(item.jobId)
          if (head !== undefined && after !== undefined) ledger.putHead({ ...after, overlap: head.overlap })
        }
        return structuredClone(answers)
      },
    }),
  },
  'looks whom to wake before it finishes': {
    rejectedBy: ['races of connections: finishing and queueing at the same moment strands nothing'],
    calls: (ledger) => ({
      async settle({ now, items }) {
        const answers: SettleAnswer[] = []
        for (const item of items) {
          const next = ledger.nextQueued(item.jobId)
          await letOthersGo()
          const others = ledger.liveOf(item.jobId, 'queued').filter(({ id }) => id !== next?.id)
          for (const record of others) ledger.remove(record)
          answers.push(ledger.settleOne(item, now))
          for (const record of others) ledger.put(record)
        }
        return structuredClone(answers)
      },
    }),
  },
  'reads due occurrences in one step and claims them in another': {
    rejectedBy: ['races of connections: each pending occurrence is claimed by exactly one node'],
    calls: (ledger) => ({
      async claim(request) {
        const due = ledger.claimable(request.exceptHandlerKeys).slice(0, request.limit)
        await letOthersGo()
        const claimed = due.map(
          (record): OccurrenceRecord => ({ ...record, state: 'running', token: 1, owner: request.owner }),
        )
        for (const record of claimed) ledger.put(record)
        return structuredClone<ClaimAnswer>({ claimed, cancelRequested: [], more: false, nextDueAt: null })
      },
    }),
  },
  'compares the watermark, then recovers': {
    rejectedBy: ['races of connections: a missed window is recovered by exactly one node'],
    calls: (ledger) => ({
      async createOccurrences({ now, owner, items }) {
        const answers: CreateAnswer[] = []
        for (const item of items) {
          const head = ledger.jobs.get(item.jobId)
          const verdict = ledger.judge(item, head ?? null, ledger.occurrences.get(item.id))
          await letOthersGo()
          const blind = verdict === 'create' && item.kind === 'recovery' && head !== undefined
          answers.push(blind ? ledger.createRecovery(item, head, now) : ledger.createOne(item, owner, now))
        }
        return structuredClone(answers)
      },
    }),
  },
  'reads the head, then replaces it': {
    rejectedBy: ['races of connections: many nodes that replace one job lose no update'],
    calls: (ledger) => ({
      async saveJobs({ now, changes }) {
        const answers: SaveJobAnswer[] = []
        for (const change of changes) {
          const head = ledger.jobs.get(change.id)
          await letOthersGo()
          if (change.kind === 'replace' && head !== undefined) answers.push(ledger.replaceJob(head, change, now))
          else answers.push(ledger.saveJob(change, now))
        }
        return structuredClone(answers)
      },
    }),
  },
  'creates a job that another has just created': {
    rejectedBy: ['races of connections: one of many nodes creates a job'],
    calls: (ledger) => ({
      async saveJobs({ now, changes }) {
        const missing = changes.filter(({ id }) => !ledger.jobs.has(id))
        await letOthersGo()
        for (const { id } of missing) ledger.jobs.delete(id)
        return structuredClone(changes.map((change) => ledger.saveJob(change, now)))
      },
    }),
  },
  'remembers heads: a connection does not notice a pause for a while': {
    rejectedBy: ['races of connections: once a pause or a deletion was answered, nothing starts any more'],
    calls: (ledger) => {
      const remembered = new Map<JobId, JobRecord>()
      return {
        async createOccurrences({ now, owner, items }) {
          await letOthersGo()
          const answers = items.map((item) => {
            const head = ledger.jobs.get(item.jobId)
            const known = remembered.get(item.jobId) ?? head
            if (head === undefined || known === undefined) return ledger.createOne(item, owner, now)
            remembered.set(item.jobId, known)
            ledger.putHead(known)
            const answer = ledger.createOne(item, owner, now)
            ledger.putHead(head)
            return answer
          })
          return structuredClone(answers)
        },
      }
    },
  },
  'deletes history before it raises the floor': {
    rejectedBy: ['races of connections: no id is created twice while history is pruned'],
    calls: (ledger) => ({
      async createOccurrences(request) {
        await letOthersGo()
        return structuredClone(ledger.createOccurrences(request))
      },
      async prune(request) {
        const floors = new Map([...ledger.jobs.values()].map(({ id, pruneFloor }) => [id, pruneFloor]))
        const answer = ledger.prune(request)
        const raised = [...ledger.jobs.values()]
        for (const head of raised) ledger.putHead({ ...head, pruneFloor: floors.get(head.id) ?? null })
        await letOthersGo()
        for (const { id, pruneFloor } of raised) {
          const head = ledger.jobs.get(id)
          if (head !== undefined) ledger.putHead({ ...head, pruneFloor })
        }
        return answer
      },
    }),
  },
  'wakes again when a finish is sent twice at once': {
    rejectedBy: ['races of connections: a finish that is sent twice at once counts once and wakes one'],
    calls: (ledger) => ({
      async settle({ now, items }) {
        const seen = items.map(({ id }) => ledger.occurrences.get(id))
        await letOthersGo()
        const answers = items.map((item, index): SettleAnswer => {
          const record = seen[index]
          if (record?.state !== 'running' || item.change.kind !== 'finish') return ledger.settleOne(item, now)
          ledger.applySettle(record, item, now)
          const next = ledger.nextQueued(item.jobId)
          if (next !== undefined && ledger.liveOf(item.jobId, 'running').length === 0) ledger.put(woken(next))
          return { outcome: 'ok', woken: null, cancelRequested: null }
        })
        return answers
      },
    }),
  },
  'says ok to some of what owners say, and forgets it': {
    rejectedBy: ['soak: nodes with lost and doubled answers keep the invariants (seed 1)'],
    calls: (ledger) => {
      const dropped = new Set<OccurrenceId>()
      let count = 0
      return {
        async settle({ now, items }) {
          return items.map((item): SettleAnswer => {
            count += 1
            if (item.change.kind === 'finish' && count % 9 === 0) dropped.add(item.id)
            if (dropped.has(item.id)) return { outcome: 'ok', woken: null, cancelRequested: null }
            return structuredClone(ledger.settleOne(item, now))
          })
        },
      }
    },
  },
  'checks whether the record exists, then creates it, for several processes': {
    rejectedBy: ['races of processes: each slot of a series is created by exactly one process'],
    capabilities: { multiProcess: true },
    async open() {
      const ledger = new Ledger()
      return await servedWorld(ledgerStorage(ledger, checksThenCreates(ledger)))
    },
  },
  'acknowledges what it has not written yet': {
    rejectedBy: ['killed processes: what was acknowledged survives kill -9, and another process carries on'],
    capabilities: { multiProcess: true, durability: 'process' },
    async open() {
      const world = await servedWorld(ledgerStorage(new Ledger()))
      if (world.processes === undefined) throw new TypeError('a served world has processes')
      return { ...world, processes: { ...world.processes, exportName: 'connectHasty' } } satisfies StorageWorld
    },
  },
  'writes what it has acknowledged when it is closed': {
    rejectedBy: ['killed processes: what was acknowledged to the only process survives kill -9'],
    capabilities: { durability: 'process', findsDueJobs: true, takesNext: true },
    async open() {
      const folder = await mkdtemp(join(tmpdir(), 'hoarding-storage-'))
      const argument = { file: join(folder, 'jobs.json') }
      const module = new URL('../served/hoarding-storage.mjs', import.meta.url)
      return {
        connect: async () => hoardingStorage(argument),
        dispose: async () => await rm(folder, { recursive: true }),
        processes: { module, exportName: 'hoardingStorage', argument },
      }
    },
  },
  'says that it is durable, and not how another process would see that': {
    rejectedBy: ['killed processes: what was acknowledged to the only process survives kill -9'],
    capabilities: { durability: 'process' },
    open: () => ledgerWorld(new Ledger()),
  },
})
