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

/**
 * Returns the counts of live occurrences by state. A missing count becomes 0.
 * @param {Partial<LiveCounts>} [counts]
 * @returns {LiveCounts}
 */
const countsOf = ({ pending = 0, queued = 0, running = 0 } = {}) => ({ pending, queued, running })
const synced = { sync: true }

/** A ledger on one connection to a Level database. @implements {AsyncLedger} */
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
      const writes = step.decide({ jobs, occurrences, live, keys: new Map(ofKeys.map(({ keyId, id }) => [keyId, id])) })
      const totals = countsOf(await this.level.get(keys.totalsKey))
      if (writes.length > 0) await this.level.batch(batchOf(writes, totals), synced)
    })
  }

  /**
   * Reads the live occurrences that a step on a job needs. If the step searches for superseded occurrences, reads all waiting
   * occurrences of the job.
   * @param {JobId} jobId
   * @param {LiveNeeds} needs
   */
  async liveOf(jobId, needs) {
    const lists = keys.liveStates.map(async (state) => {
      const limit = needs.superseded === null || state === 'running' ? needs[state] : -1
      const found = await this.recordsAt({ ...keys.below(`job/${jobId}/${state}/`), limit })
      return [state, found.map((record) => ({ record }))]
    })
    return Object.fromEntries(await Promise.all(lists))
  }

  /**
   * Reads the records to which a range of index entries refers.
   * @param {{ gte: string, lt: string, limit?: number, reverse?: boolean }} range
   * @returns {Promise<OccurrenceRecord[]>}
   */
  async recordsAt(range) {
    return await this.level.getMany(await this.level.values(range).all())
  }

  /**
   * Returns the pending occurrences in their order, each with the instant from which a claim may take the occurrence.
   * @param {DueQuery} query
   */
  async claimable({ exceptHandlerKeys }) {
    const pending = await this.recordsAt(keys.below('state/pending/'))
    const heads = await this.level.getMany(pending.map(({ jobId }) => keys.jobKey(jobId)))
    return pending.flatMap((record, index) => {
      const job = heads[index]?.job
      if (job === undefined || exceptHandlerKeys.includes(job.handlerKey)) return []
      return [{ record, from: claimableFrom(job, record.dueAt) }]
    })
  }

  /** @param {DueQuery} query @param {{ readonly limit: number, readonly cursor: string | null }} page @returns {Promise<DuePage>} */
  due(query, { limit, cursor }) {
    return this.database.alone(async () => {
      const due = (await this.claimable(query)).filter(({ from }) => from <= query.now).map(({ record }) => record)
      const rest = due.filter((record) => cursor === null || keys.stateKey('pending', record) > cursor)
      const last = rest.length > limit ? rest[limit - 1] : undefined
      return { occurrences: rest.slice(0, limit), cursor: last ? keys.stateKey('pending', last) : null }
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
      const asked = running.filter(({ cancelRequest }) => cancelRequest !== null)
      return asked.filter(({ owner }) => owner?.node === node && owner.incarnation === incarnation)
    })
  }

  stranded() {
    return this.database.alone(async () => {
      // The keys of `queued` sort between `pending` and `running`, so this range contains the occurrences of both
      // waiting states.
      const waiting = await this.recordsAt({ gte: 'state/pending/', lt: 'state/running/' })
      return waiting.map(({ jobId }) => jobId)
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
        counts: heads.map((found) => countsOf(found?.counts ?? found ?? {})),
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
   * Returns one page of the occurrences that an index lists, in the order of the index's keys.
   * @param {string} index
   * @param {Exclude<OccurrenceQuery, { kind: 'live' }>} query
   * @returns {Promise<Page<OccurrenceRecord>>}
   */
  async pageOf(index, { from, to, order, cursor, limit, ...query }) {
    const reverse = order === 'descending'
    const gte = from === undefined ? index : `${index}${keys.sortable(from)}`
    const lt = to === undefined ? `${index}\uffff` : `${index}${keys.sortable(to)}`
    const range = cursor === null ? { gte, lt } : reverse ? { gte, lt: cursor } : { gt: cursor, lt }
    /** @type {OccurrenceRecord[]} */
    const items = []
    let last = null
    for await (const [key, place] of this.level.iterator({ ...range, reverse })) {
      const record = await this.level.get(place)
      if (query.kind === 'job' && query.states?.includes(record.state) === false) continue
      if (items.length === limit) return { items, cursor: last }
      items.push(record)
      last = key
    }
    return { items, cursor: null }
  }

  /**
   * Returns the job's latest final occurrence that a node had started; `null` without such an occurrence.
   * @param {JobId} jobId
   */
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
      const job = { ...head.job, pruneFloor: Math.max(head.job.pruneFloor ?? floor, floor) }
      const last = await this.level.getMany(named.map(({ keyId }) => keys.reusableKey(jobId, keyId)))
      const freed = named.filter(({ occurrence }, index) => last[index] === occurrence.id)
      const gone = found.flatMap((record) =>
        record ? [keys.occurrenceKey(jobId, record.id), keys.addressKey(record.id), ...indexesOf(record)] : [],
      )
      gone.push(...freed.map(({ keyId }) => keys.reusableKey(jobId, keyId)))
      await this.level.batch([put(keys.jobKey(jobId), { ...head, job }), ...gone.map(del)], synced)
      return found.filter((record) => record !== undefined).length
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
