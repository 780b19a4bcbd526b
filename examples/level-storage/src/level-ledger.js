import { claimableFrom, isFinal, pageOfJobs, pageOfOccurrences } from '@jobistemer/core/storage'
import * as keys from './keys.js'
import { batchOf, del, indexesOf, put } from './writes.js'

/**
 * @import { JobId } from '@jobistemer/core'
 * @import {
 *   AsyncLedger, DuePage, DueQuery, GetAnswer, GetRequest, HeartbeatRequest, HistoryRemoval, JobQuery, JobRecord,
 *   LedgerStep, LiveCounts, LiveNeeds, OccurrenceQuery, OccurrenceRecord, Owner, Page
 * } from '@jobistemer/core/storage'
 * @import { Database } from './open-database.js'
 */

/** @type {LiveCounts} */
const noCounts = { pending: 0, queued: 0, running: 0 }
/** What users are told of the counts of a job. @param {LiveCounts} counts @returns {LiveCounts} */
const countsOf = ({ pending, queued, running }) => ({ pending, queued, running })
const synced = { sync: true }

/** One connection. @implements {AsyncLedger} */
export class LevelLedger {
  kind = /** @type {const} */ ('async')
  unit = /** @type {const} */ ('call')
  opener = 'levelStorage()'
  keepsObjects = false
  capabilities = /** @type {const} */ ({ maxBatch: 500, multiProcess: false, durability: 'power' })
  history = this

  /** @param {Database} database */
  constructor(database) {
    this.database = database
    this.level = database.level
  }

  /** @param {LedgerStep} step */
  run(step) {
    return this.database.alone(async () => {
      const heads = await this.level.getMany(step.jobs.map(keys.jobKey))
      const jobs = new Map(
        heads.flatMap((found) => (found === undefined ? [] : [[found.job.id, { head: found.job, ...found }]])),
      )
      const last = await this.level.getMany(step.keys.map(({ jobId, keyId }) => keys.reusableKey(jobId, keyId)))
      const ofKeys = step.keys.flatMap(({ jobId, keyId }, index) =>
        last[index] ? [{ jobId, keyId, id: last[index] }] : [],
      )
      const addresses = [...step.occurrences, ...ofKeys]
      const named = await this.level.getMany(addresses.map(({ jobId, id }) => keys.occurrenceKey(jobId, id)))
      const occurrences = new Map(named.flatMap((record) => (record === undefined ? [] : [[record.id, { record }]])))
      const live = new Map()
      for (const need of step.needs({ jobs, occurrences })) live.set(need.jobId, await this.liveOf(need.jobId, need))
      const lastOfKeys = new Map(ofKeys.map(({ keyId, id }) => [keyId, id]))
      const writes = step.decide({ jobs, occurrences, live, keys: lastOfKeys })
      const totals = (await this.level.get(keys.totalsKey)) ?? noCounts
      if (writes.length > 0) await this.level.batch(batchOf(writes, totals), synced)
    })
  }

  /** Superseded ones are looked for among all that wait. @param {JobId} jobId @param {LiveNeeds} needs */
  async liveOf(jobId, needs) {
    const lists = keys.liveStates.map(async (state) => {
      const limit = needs.superseded === null || state === 'running' ? needs[state] : -1
      const found = await this.recordsAt({ ...keys.below(`job/${jobId}/${state}/`), limit })
      return [state, found.map((record) => ({ record }))]
    })
    return Object.fromEntries(await Promise.all(lists))
  }

  /** The records that entries of an index lead to. @param {{ gte: string, lt: string, limit?: number, reverse?: boolean }} range @returns {Promise<OccurrenceRecord[]>} */
  async recordsAt(range) {
    return await this.level.getMany(await this.level.values(range).all())
  }

  /** Pending ones in their order, with the instant from when on a claim may take them. @param {DueQuery} query */
  async claimable({ exceptHandlerKeys }) {
    const pending = await this.recordsAt(keys.below('state/pending/'))
    const ids = [...new Set(pending.map(({ jobId }) => jobId))]
    const jobs = new Map((await this.level.getMany(ids.map(keys.jobKey))).map(({ job }) => [job.id, job]))
    return pending.flatMap((record) => {
      const job = jobs.get(record.jobId)
      if (job === undefined || exceptHandlerKeys.includes(job.handlerKey)) return []
      return [{ record, from: claimableFrom(job, record.dueAt) }]
    })
  }

  /** @param {DueQuery} query @param {{ readonly limit: number, readonly cursor: string | null }} page @returns {Promise<DuePage>} */
  due(query, { limit, cursor }) {
    return this.database.alone(async () => {
      const due = (await this.claimable(query)).filter(({ from }) => from <= query.now).map(({ record }) => record)
      const rest = due.filter((record) => cursor === null || keys.stateKey('pending', record) > cursor)
      const occurrences = rest.slice(0, limit)
      const last = rest[limit - 1]
      const isMore = rest.length > limit && last !== undefined
      return { occurrences, cursor: isMore ? keys.stateKey('pending', last) : null }
    })
  }

  /** @param {DueQuery} query */
  nextDueAt(query) {
    return this.database.alone(async () => {
      const later = (await this.claimable(query)).filter(({ from }) => from > query.now)
      return later.reduce((/** @type {number | null} */ next, { from }) => Math.min(next ?? from, from), null)
    })
  }

  /** @param {Owner} owner */
  cancelRequested({ node, incarnation }) {
    return this.database.alone(async () => {
      const running = await this.recordsAt(keys.below('state/running/'))
      const own = running.filter(({ owner }) => owner?.node === node && owner.incarnation === incarnation)
      return own.filter(({ cancelRequest }) => cancelRequest !== null)
    })
  }

  stranded() {
    return this.database.alone(async () => {
      const waiting = await Promise.all(
        ['queued', 'pending'].map((state) => this.recordsAt(keys.below(`state/${state}/`))),
      )
      return waiting.flat().map(({ jobId }) => jobId)
    })
  }

  /** @param {GetRequest} request @returns {Promise<GetAnswer>} */
  get({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }) {
    return this.database.alone(async () => {
      const many = async (/** @type {string[]} */ wanted) =>
        (await this.level.getMany(wanted)).map((found) => found ?? null)
      const jobIds = await many(occurrences.map(keys.addressKey))
      const heads = await many(counts.map((id) => (id === 'all' ? keys.totalsKey : keys.jobKey(id))))
      return {
        jobs: (await many(jobs.map(keys.jobKey))).map((found) => found?.job ?? null),
        versions: await many(versions.map(({ jobId, version }) => keys.versionKey(jobId, version))),
        occurrences: await many(occurrences.map((id, index) => keys.occurrenceKey(jobIds[index], id))),
        counts: heads.map((found) => countsOf(found?.counts ?? found ?? noCounts)),
        latest: await Promise.all(latest.map((id) => this.latestOf(id))),
      }
    })
  }

  /** @param {JobQuery} query @returns {Promise<Page<JobRecord>>} */
  listJobs(query) {
    return this.database.alone(async () => {
      const heads = await this.level.getMany(await this.level.values(keys.below('jobs/')).all())
      const jobs = heads.map(({ job }) => job)
      return pageOfJobs(jobs, query)
    })
  }

  /** @param {OccurrenceQuery} query @returns {Promise<Page<OccurrenceRecord>>} */
  listOccurrences(query) {
    return this.database.alone(async () => {
      if (query.kind === 'job') return this.pageOf(`job/${query.jobId}/time/`, query)
      if (query.kind === 'failed') return this.pageOf(`${query.jobId ? `job/${query.jobId}/` : ''}failed/`, query)
      return pageOfOccurrences(await this.recordsAt(keys.below(`state/${query.state}/`)), query)
    })
  }

  /**
   * A page of an index, in its order.
   * @param {string} index
   * @param {Exclude<OccurrenceQuery, { kind: 'live' }>} query
   * @returns {Promise<Page<OccurrenceRecord>>}
   */
  async pageOf(index, { from, to, order, cursor, limit, ...query }) {
    const reverse = order === 'descending'
    const gte = from === undefined ? index : `${index}${keys.sortable(from)}`
    const lt = to === undefined ? `${index}\uffff` : `${index}${keys.sortable(to)}`
    const range = cursor === null ? { gte, lt } : reverse ? { gte, lt: cursor } : { gt: cursor, lt }
    const states = query.kind === 'job' ? query.states : undefined
    /** @type {OccurrenceRecord[]} */
    const items = []
    let last = null
    for await (const [key, place] of this.level.iterator({ ...range, reverse })) {
      const record = await this.level.get(place)
      if (states !== undefined && !states.includes(record.state)) continue
      if (items.length === limit) return { items, cursor: last }
      items.push(record)
      last = key
    }
    return { items, cursor: null }
  }

  /** The latest that was run and has ended. @param {JobId} jobId */
  async latestOf(jobId) {
    for await (const place of this.level.values({ ...keys.below(`job/${jobId}/time/`), reverse: true })) {
      const record = await this.level.get(place)
      if (isFinal(record.state) && record.token > 0) return record
    }
    return null
  }

  /** @param {HistoryRemoval} removal */
  removeHistory({ jobId, occurrences, keys: named, floor }) {
    return this.database.alone(async () => {
      const head = await this.level.get(keys.jobKey(jobId))
      if (head === undefined || (head.job.nextAt !== null && head.job.nextAt <= floor)) return null
      const found = await this.level.getMany(occurrences.map(({ id }) => keys.occurrenceKey(jobId, id)))
      const there = found.filter((record) => record !== undefined)
      const job = { ...head.job, pruneFloor: Math.max(head.job.pruneFloor ?? floor, floor) }
      const removals = there.flatMap((record) => [
        del(keys.occurrenceKey(jobId, record.id)),
        del(keys.addressKey(record.id)),
        ...indexesOf(record).map(del),
      ])
      const last = await this.level.getMany(named.map(({ keyId }) => keys.reusableKey(jobId, keyId)))
      const freed = named.filter(({ occurrence }, index) => last[index] === occurrence.id)
      removals.push(...freed.map(({ keyId }) => del(keys.reusableKey(jobId, keyId))))
      await this.level.batch([put(keys.jobKey(jobId), { ...head, job }), ...removals], synced)
      return there.length
    })
  }

  /** @param {JobId} jobId @param {number} before */
  forget(jobId, before) {
    return this.database.alone(async () => {
      const { job } = (await this.level.get(keys.jobKey(jobId))) ?? {}
      const records = await this.level.values(keys.below(`job/${jobId}/occurrence/`)).all()
      const isOver = records.length === 0 && job?.deletedAt != null && job.deletedAt < before
      const used = new Set([isOver ? 0 : job?.version, ...records.map(({ jobVersion }) => jobVersion)])
      const versions = await this.level.values(keys.below(`job/${jobId}/version/`)).all()
      const unused = versions.filter(({ version }) => !used.has(version))
      const gone = unused.map(({ version }) => del(keys.versionKey(jobId, version)))
      await this.level.batch(isOver ? [...gone, del(keys.jobKey(jobId)), del(keys.listKey(jobId))] : gone, synced)
    })
  }

  /** @param {HeartbeatRequest} request */
  heartbeat(request) {
    return structuredClone(this.database.nodes.heartbeat(structuredClone(request)))
  }

  close() {
    return this.database.release()
  }
}
