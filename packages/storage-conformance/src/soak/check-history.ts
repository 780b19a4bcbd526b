import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { CreateItem, OccurrenceAddress, OverlapPolicy } from '@jobistemer/core/storage'
import type { HistoryEvent } from './history.ts'

/**
 * Rules whose violation shows only in the sequence of answers, not in the records at the end. The comment of each rule
 * describes its violation.
 */
export type HistoryRule =
  /** The storage created the same id twice. */
  | 'one creation'
  /** The storage gave the same token twice, or a smaller token later. */
  | 'fencing'
  /** The storage accepted a write with a token after a reap or a release had ended this token. */
  | 'dead token'
  /** The storage ended an occurrence a second time, after its owner had finished it. */
  | 'final'
  /** Two occurrences of a job ran at the same time although its overlap policy forbids that. */
  | 'overlap'
  /** The watermark of a job moved back, although no call with `setBackTo` set the watermark back. */
  | 'watermark'
  /** The storage accepted two recoveries of the same missed slots. */
  | 'one recovery'
  /** An occurrence started during a pause of its job. */
  | 'pause'
  /** The storage created an occurrence of an old version after a newer version had replaced this version. */
  | 'version'

/** A violation of a rule by the answers of a storage. */
export interface HistoryViolation {
  /** The rule that the answers violate. */
  readonly rule: HistoryRule
  /** One sentence about the inconsistent calls. */
  readonly message: string
}

/**
 * The interval of a call, from its beginning to its answer. `begin` and `end` are values of the counter of
 * {@link HistoryEvent}.
 */
interface Moment {
  readonly begin: number
  readonly end: number
}

/** An answer that gave an owner a token. */
interface Grant extends Moment {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly token: number
}

/** A step that the owner of an occurrence has sent, and that the storage has accepted. */
interface Acceptance extends Moment {
  readonly token: number
  readonly sequence: number
  readonly ends: boolean
  readonly finishes: boolean
}

/** A call that paused, resumed or replaced a job. */
interface HeadChange extends Moment {
  readonly version: number
  /** `true` after a pause, `false` after a resume, `null` for a replace. */
  readonly paused: boolean | null
}

/**
 * Checks a history of answered calls for violations. If a call was made several times, the history must contain it the
 * same number of times.
 */
export function checkHistory(
  events: readonly HistoryEvent[],
  policyOf: (jobId: JobId) => OverlapPolicy | undefined,
): readonly HistoryViolation[] {
  const facts = collectFacts(events)
  return [
    ...checkCreations(facts),
    ...checkTokens(facts),
    ...checkFinality(facts),
    ...checkOverlaps(facts, policyOf),
    ...checkWatermarks(facts),
    ...checkHeadChanges(facts),
  ]
}

interface Facts {
  readonly creations: (Moment & { readonly item: CreateItem; readonly started: boolean })[]
  readonly grants: Grant[]
  readonly acceptances: Map<OccurrenceId, Acceptance[]>
  /**
   * Calls that ended the token of a run: reaps and forced cancels. The map also contains cancels of waiting occurrences, which
   * have no token (`token: null`).
   */
  readonly deaths: Map<OccurrenceId, (Moment & { readonly token: number | null })[]>
  readonly watermarks: Map<JobId, (Moment & { readonly watermark: number })[]>
  /** Calls that set a job's watermark back on purpose. */
  readonly setBacks: Map<JobId, Moment[]>
  readonly heads: Map<JobId, HeadChange[]>
}

function collectFacts(events: readonly HistoryEvent[]): Facts {
  const facts: Facts = {
    creations: [],
    grants: [],
    acceptances: new Map(),
    deaths: new Map(),
    watermarks: new Map(),
    setBacks: new Map(),
    heads: new Map(),
  }
  for (const event of events) collectFrom(event, facts)
  return facts
}

function collectFrom(event: HistoryEvent, facts: Facts): void {
  const { begin, end } = event
  switch (event.method) {
    case 'createOccurrences':
      for (const [item, answer] of pairs(event.request.items, event.answer)) {
        if (answer.outcome === 'created') {
          const started = answer.state === 'running'
          facts.creations.push({ begin, end, item, started })
          if (started) facts.grants.push({ begin, end, ...addressOf(item), token: answer.token })
          for (const { id } of answer.displaced) add(facts.deaths, id, { begin, end, token: null })
        } else if (answer.outcome === 'exists' || answer.outcome === 'off_schedule') {
          add(facts.watermarks, item.jobId, { begin, end, watermark: answer.watermark })
        }
      }
      break
    case 'claim':
      for (const record of event.answer.claimed) {
        facts.grants.push({ begin, end, ...addressOf(record), token: record.token })
      }
      break
    case 'settle':
      for (const [item, answer] of pairs(event.request.items, event.answer)) {
        if (answer.outcome !== 'ok') continue
        const { token, sequence, change } = item
        add(facts.acceptances, item.id, {
          begin,
          end,
          token,
          sequence,
          ends: change.kind !== 'progress',
          finishes: change.kind === 'finish',
        })
      }
      break
    case 'cancel':
      for (const [item, answer] of pairs(event.request.items, event.answer)) {
        if (answer.outcome === 'canceled') add(facts.deaths, item.id, { begin, end, token: null })
      }
      break
    case 'reap':
      for (const [item, answer] of pairs(event.request.items, event.answer)) {
        if (answer.outcome === 'reaped') add(facts.deaths, item.id, { begin, end, token: item.token })
      }
      break
    case 'saveJobs':
      for (const [change, answer] of pairs(event.request.changes, event.answer)) {
        if (answer.outcome === 'absent') continue
        const { job } = answer
        add(facts.watermarks, change.id, { begin, end, watermark: job.watermark })
        if (answer.outcome !== 'saved') continue
        if (change.kind === 'replace' && change.setBackTo !== undefined) add(facts.setBacks, change.id, { begin, end })
        add(facts.heads, change.id, {
          begin,
          end,
          version: job.version,
          paused: change.kind === 'pause' ? job.paused !== null : null,
        })
        for (const { id } of answer.canceled) add(facts.deaths, id, { begin, end, token: null })
      }
      break
    case 'prune':
      break
  }
}

function* checkCreations({ creations }: Facts): Iterable<HistoryViolation> {
  const seen = new Set<string>()
  for (const { item } of creations) {
    const recovery = item.kind === 'recovery'
    const key = recovery ? `${item.jobId} from ${item.expectedWatermark}` : item.id
    if (seen.has(key)) {
      yield recovery
        ? { rule: 'one recovery', message: `the window of ${key} was recovered twice` }
        : { rule: 'one creation', message: `${key} was created twice` }
    }
    seen.add(key)
  }
}

function* checkTokens({ grants, acceptances, deaths }: Facts): Iterable<HistoryViolation> {
  const byId = groupBy(grants, ({ id }) => id)
  for (const [id, granted] of byId) {
    for (const [index, grant] of granted.entries()) {
      for (const other of granted.slice(index + 1)) {
        if (grant.token === other.token)
          yield { rule: 'fencing', message: `token ${grant.token} of ${id} was given out twice` }
        const [earlier, later] = grant.end < other.begin ? [grant, other] : [other, grant]
        if (earlier.end < later.begin && earlier.token > later.token) {
          yield { rule: 'fencing', message: `${id}: token ${later.token} was given out after ${earlier.token}` }
        }
      }
    }
  }
  for (const [id, accepted] of acceptances) {
    const first = firstOfEach(accepted)
    for (const { token, sequence, begin } of first) {
      const newer = byId.get(id)?.some((grant) => grant.token > token && grant.end < begin) ?? false
      const dead = deaths.get(id)?.some((death) => (death.token ?? token) >= token && death.end < begin) ?? false
      const over = first.some(
        (other) => other.token === token && other.sequence < sequence && other.ends && other.end < begin,
      )
      if (newer || dead || over) {
        yield {
          rule: 'dead token',
          message: `${id}: number ${sequence} under token ${token} was accepted, and the token was dead`,
        }
      }
    }
  }
}

function* checkFinality({ acceptances, deaths, grants }: Facts): Iterable<HistoryViolation> {
  for (const [id, accepted] of acceptances) {
    for (const { end } of firstOfEach(accepted).filter(({ finishes }) => finishes)) {
      const died = deaths.get(id)?.some((death) => death.begin > end) ?? false
      const ran = grants.some((grant) => grant.id === id && grant.begin > end)
      if (died || ran)
        yield { rule: 'final', message: `${id} was finished, and then ${ran ? 'started' : 'ended'} again` }
    }
  }
}

/**
 * Returns the earliest acceptance of each step. Acceptances with equal token and sequence belong to the same step. The later
 * acceptances are no violation: the storage may accept a repeated step even after the end of the token. So this function omits
 * them.
 */
function firstOfEach(accepted: readonly Acceptance[]): readonly Acceptance[] {
  const groups = groupBy(accepted, ({ token, sequence }) => `${token}/${sequence}`)
  return [...groups.values()].map((group) =>
    group.reduce((first, other) => (other.begin < first.begin ? other : first)),
  )
}

function* checkOverlaps(
  { grants, acceptances, deaths }: Facts,
  policyOf: (jobId: JobId) => OverlapPolicy | undefined,
): Iterable<HistoryViolation> {
  for (const [jobId, granted] of groupBy(grants, (grant) => grant.jobId)) {
    if (policyOf(jobId) === 'allow') continue
    // A run certainly lasts from the answer that gave its token until the first call that ended the token begins. Before and
    // after this span, it is uncertain whether the run lasts.
    const sure = granted
      .map(({ id, token, end }) => {
        const accepted = (acceptances.get(id) ?? []).filter(
          (acceptance) => acceptance.ends && acceptance.token === token,
        )
        const died = (deaths.get(id) ?? []).filter((death) => death.token === null || death.token === token)
        return { id, from: end, to: Math.min(...[...accepted, ...died].map(({ begin }) => begin)) }
      })
      // Leaves out a run if the call that ended its token may have begun before the answer that gave the token.
      .filter(({ from, to }) => from < to)
      .sort((left, right) => left.from - right.from)
    let latest = sure[0]
    for (const interval of sure.slice(1)) {
      if (latest !== undefined && interval.from < latest.to) {
        yield { rule: 'overlap', message: `${jobId}: ${latest.id} and ${interval.id} ran at once` }
      }
      if (latest === undefined || interval.to > latest.to) latest = interval
    }
  }
}

function* checkWatermarks({ watermarks, setBacks }: Facts): Iterable<HistoryViolation> {
  for (const [jobId, seen] of watermarks) {
    const wanted = setBacks.get(jobId) ?? []
    for (const earlier of seen) {
      const back = seen.find(
        (later) =>
          later.begin > earlier.end &&
          later.watermark < earlier.watermark &&
          !wanted.some((setBack) => setBack.end >= earlier.begin && setBack.begin <= later.end),
      )
      if (back !== undefined) {
        yield { rule: 'watermark', message: `${jobId}: ${back.watermark} after ${earlier.watermark}` }
      }
    }
  }
}

function* checkHeadChanges({ creations, grants, heads }: Facts): Iterable<HistoryViolation> {
  for (const { begin, item } of creations) {
    const before = (heads.get(item.jobId) ?? []).filter((change) => change.end < begin)
    const version = Math.max(0, ...before.map((change) => change.version))
    if (item.jobVersion < version) {
      const message = `${item.id} was created under version ${item.jobVersion} after ${version} was in force`
      yield { rule: 'version', message }
    }
  }
  for (const grant of grants) {
    const pauses = (heads.get(grant.jobId) ?? []).filter(({ paused }) => paused !== null)
    const before = pauses.filter((change) => change.end < grant.begin)
    const meanwhile = pauses.some((change) => change.end >= grant.begin && change.begin <= grant.end)
    // Only one caller at a time pauses or resumes a job. So the last pause or resume before the start shows whether the job was
    // paused at the start.
    if (before.at(-1)?.paused === true && !meanwhile) {
      yield { rule: 'pause', message: `${grant.id} started while its job was paused` }
    }
  }
}

function groupBy<K, V>(values: readonly V[], keyOf: (value: V) => K): ReadonlyMap<K, readonly V[]> {
  const groups = new Map<K, V[]>()
  for (const value of values) add(groups, keyOf(value), value)
  return groups
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else values.push(value)
}

function addressOf({ id, jobId, scheduledAt }: OccurrenceAddress): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}

function pairs<Item, Answer>(items: readonly Item[], answers: readonly Answer[]): readonly (readonly [Item, Answer])[] {
  return items.map((item, index) => [item, answers[index] as Answer] as const)
}
