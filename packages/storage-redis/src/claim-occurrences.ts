import type { JobId } from '@jobistemer/core'
import {
  codec1,
  type ClaimAnswer,
  type ClaimRequest,
  compareAddresses,
  compareOrder,
  type OccurrenceRecord,
} from '@jobistemer/core/storage'
import type { Ledger, ScriptArgument, ScriptCall } from './connection.ts'
import { never, parseFields, printFields } from './layout.ts'
import { printOwner, readOccurrence } from './occurrence-form.ts'
import { isRepeated, mayPass, repeatedError } from './redis-errors.ts'
import { readNotices } from './replies.ts'
import { layouts } from './layouts.ts'
import { claimScript } from './scripts/claim.ts'

const { readOccurrenceId } = codec1

/**
 * The order and the key of an occurrence. Claims take due occurrences in the order of `order`. If `order` is equal,
 * they take the occurrences in the order of `key`.
 */
interface Place {
  readonly order: number
  readonly key: string
}

interface SeenPlace extends Place {
  readonly isBlocked: boolean
}

interface WholeAnswer extends ClaimAnswer {
  /** Whether the call ended at its limits, before it had scanned all due occurrences. */
  readonly stopped: boolean
  /** Whether the call has left superseded occurrences. A later call must cancel them. */
  readonly isLeftover: boolean
}

interface ShardAnswer extends WholeAnswer {
  readonly seen: readonly SeenPlace[]
  /**
   * Whether a claim that takes the found occurrences may also wake queued occurrences, and take these too. A claim wakes
   * occurrences only of jobs with a start rate.
   */
  readonly wakes: boolean
}

type Spot = Pick<ScriptCall, 'shard' | 'shards'>

const lastPlace: Place = { order: never, key: 'f'.repeat(32) }

const nowhere = Buffer.alloc(0)

/** Time after a claim in which the next claim shall follow if a shard was left out. It bounds the calls during an outage. */
const askAgainMs = 1000

/**
 * Maximum number of rounds of one claim. If a round reached its limits and claimed nothing, the claim makes another round.
 */
const mostRounds = 10

/** Claims due occurrences of all shards, in the order of waiting occurrences across the shards. */
export class Claimer {
  readonly #ledger: Ledger
  #calls = 0
  /**
   * Maps a shard and an owner to the number of an unanswered call, which may have claimed occurrences. The owner's next call
   * asks the server whether the unanswered call took effect.
   */
  readonly #unanswered = new Map<string, number>()
  /**
   * Shards whose last look failed, and whether another look at the shard is in progress. Claims do not wait for these shards,
   * because a claim in progress reserves permits of its node.
   */
  readonly #away = new Map<number, boolean>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * Claims due occurrences in several short calls. If a due occurrence may not start, a call queues, delays or cancels
   * it.
   */
  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const shards = await this.#ledger.connection.shards()
    let isLeftover = false
    for (let round = 1; ; round++) {
      const ofRound = round === 1 ? request : { ...request, sweep: false }
      const answer = await (shards === 1
        ? this.#askShard(ofRound, { shard: 0, shards }, 'take', lastPlace)
        : this.#claimOverShards(ofRound, shards))
      const { cancelRequested, more, stopped, nextDueAt } = answer
      // The claim may have woken and claimed an occurrence that precedes occurrences which it claimed before. So the
      // answer must be sorted.
      const claimed = answer.claimed.toSorted(compareOrder)
      isLeftover ||= answer.isLeftover
      if (stopped && claimed.length === 0 && request.limit > 0 && round < mostRounds) continue
      return { claimed, cancelRequested, more: more || stopped || isLeftover, nextDueAt }
    }
  }

  /**
   * Claims in two steps. First asks all shards which occurrences a claim would take. Then claims the occurrences that come
   * first in the order across all shards.
   */
  async #claimOverShards(request: ClaimRequest, shards: number): Promise<WholeAnswer> {
    const views = await this.#lookAtShards(request, shards)
    const places = [...views]
      .flatMap(([shard, { seen }]) => seen.map((place) => ({ ...place, shard })))
      .sort((left, right) => left.order - right.order || (left.key < right.key ? -1 : 1))
    const wanted = new Map<number, { limit: number; last: Place }>()
    let open = request.limit
    let more = false
    for (const place of places) {
      if (open === 0) {
        more = true
        break
      }
      const { limit } = wanted.get(place.shard) ?? { limit: 0 }
      wanted.set(place.shard, { limit: place.isBlocked ? limit : limit + 1, last: place })
      if (!place.isBlocked) open--
    }
    // In the mode `peek`, a shard does not find the queued occurrences that this claim will wake. If the claim may wake
    // occurrences, part of its limit may still be open. The claim divides this part equally among the shards with found
    // occurrences. So each of these shards can also claim occurrences that the claim wakes there.
    const mayWake = [...views.values()].some(({ wakes }) => wakes)
    const share = mayWake ? Math.floor(open / Math.max(1, wanted.size)) : 0
    const answers = await this.#takeFromShards(request, shards, wanted, share)
    // If a shard has answered in both modes, its answer in the mode `take` replaces its answer in the mode `peek`.
    const latest = [...new Map([...views, ...answers]).values()]
    const upcoming = latest.flatMap(({ nextDueAt }) => nextDueAt ?? [])
    // A later claim takes the occurrences of the shards that were left out.
    if (this.#away.size > 0) upcoming.push(request.now + askAgainMs)
    const all = [...views.values(), ...answers.values()]
    return {
      claimed: [...answers.values()].flatMap(({ claimed }) => claimed),
      cancelRequested: latest.flatMap(({ cancelRequested }) => cancelRequested).sort(compareAddresses),
      // Further occurrences may have become due after the calls in the mode `peek`. In this case, `more` is true in an answer
      // in the mode `take`.
      more: more || answers.size < wanted.size || [...answers.values()].some((answer) => answer.more),
      // A call that reached its limits has not seen all due occurrences of its shard.
      stopped: all.some(({ stopped }) => stopped),
      isLeftover: all.some(({ isLeftover }) => isLeftover),
      nextDueAt: upcoming.length === 0 ? null : Math.min(...upcoming),
    }
  }

  /**
   * Asks each shard which occurrences a claim would take. Leaves out shards that do not answer, so that the work of one
   * master does not wait for another master. Later claims leave out such a shard until it answers. Rejects in three cases:
   * - No shard answers.
   * - A shard answers with an error that an operator must fix.
   * - An earlier claim may have taken occurrences, which the owner must first look up.
   */
  async #lookAtShards(request: ClaimRequest, shards: number): Promise<ReadonlyMap<number, ShardAnswer>> {
    if (this.#away.size === shards) this.#away.clear()
    for (const [shard, isAsked] of this.#away) if (!isAsked) void this.#askAgain(request, { shard, shards })
    const asked = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => !this.#away.has(shard))
    const looks = asked.map((shard) => this.#askShard(request, { shard, shards }, 'peek', lastPlace))
    const views = new Map<number, ShardAnswer>()
    const failures: unknown[] = []
    for (const [index, look] of (await Promise.allSettled(looks)).entries()) {
      const shard = asked[index] as number
      if (look.status === 'fulfilled') views.set(shard, look.value)
      else if (mayPass(look.reason)) {
        this.#away.set(shard, false)
        failures.push(look.reason)
      } else {
        this.#unanswered.delete(keyOf(shard, request))
        throw look.reason
      }
    }
    if (views.size === 0) throw failures[0]
    return views
  }

  /** Looks at a shard that did not answer. With limit 0, the look does not ask about an unanswered call of the owner. */
  async #askAgain(request: ClaimRequest, spot: Spot): Promise<void> {
    this.#away.set(spot.shard, true)
    const look = this.#askShard({ ...request, limit: 0, sweep: false }, spot, 'peek', lastPlace)
    const [outcome] = await Promise.allSettled([look])
    if (outcome.status === 'rejected' && mayPass(outcome.reason)) this.#away.set(spot.shard, false)
    else this.#away.delete(spot.shard)
  }

  /** Claims from several shards. Returns what some shards claimed even if another shard fails. */
  async #takeFromShards(
    request: ClaimRequest,
    shards: number,
    wanted: ReadonlyMap<number, { readonly limit: number; readonly last: Place }>,
    share: number,
  ): Promise<ReadonlyMap<number, ShardAnswer>> {
    const takes = [...wanted].map(async ([shard, { limit, last }]) => {
      const ofShard = { ...request, limit: limit + share, sweep: false }
      const place = share === 0 ? last : lastPlace
      return [shard, await this.#askShard(ofShard, { shard, shards }, 'take', place)] as const
    })
    // This method ignores failed calls: the owner's next claim asks the server whether a failed call took effect.
    const settled = await Promise.allSettled(takes)
    return new Map(settled.flatMap((take) => (take.status === 'fulfilled' ? [take.value] : [])))
  }

  /**
   * Calls the script for one shard until the script has handled the whole request. If a call fails after other calls have
   * claimed occurrences, returns these occurrences. If a call fails before any occurrence was claimed, rejects. In both cases,
   * the owner's next claim learns whether the failed call has claimed occurrences.
   */
  async #askShard(request: ClaimRequest, spot: Spot, mode: 'peek' | 'take', last: Place): Promise<ShardAnswer> {
    const { connection, channel, sender } = this.#ledger
    const { now, owner } = request
    const key = keyOf(spot.shard, request)
    // If the handler key of a job equals the job's id, the storage does not store the handler key. A handler key in the request
    // may have the form of a job's id. The script then also receives the bytes of this id, and compares them with the ids of
    // jobs.
    const excepted = request.exceptHandlerKeys.flatMap((handlerKey): ScriptArgument[] => {
      const id = Buffer.allocUnsafe(16)
      const isId = handlerKey.startsWith('job_') && codec1.writeId(id, 0, handlerKey as JobId)
      return isId ? [handlerKey, id] : [handlerKey]
    })
    let whole: ShardAnswer | null = null
    let { sweep } = request
    let cursor = '0'
    let isLeftover = false
    let place: Buffer = nowhere
    for (;;) {
      const taken = whole?.claimed.length ?? 0
      // A call with limit 0 must claim nothing. So it does not ask for the effect of an unanswered earlier call.
      const asked = request.limit > 0 ? this.#unanswered.get(key) : undefined
      const number = asked ?? this.#calls++
      // In the mode `peek`, this is the number of startable occurrences that earlier calls of this claim have found. These
      // occurrences count towards the limit. The next call does not know them. So it cannot check whether its own occurrences
      // may start in addition to them. The calls in the mode `take` make this check.
      const counted = whole?.seen.filter(({ isBlocked }) => !isBlocked).length ?? 0
      const limit = Math.max(0, request.limit - taken - counted)
      // Tells the server that the unanswered earlier call must claim nothing if it arrives after this call.
      const fences = asked !== undefined
      const isPeek = mode === 'peek'
      const values = printFields(layouts.claim, { now, number, limit, sweep, isPeek, fences, lastAt: last.order })
      values.write(last.key, layouts.claim.at.lastId, 'hex')
      try {
        const reply = await connection.write({
          script: claimScript,
          ...spot,
          arguments: [values, channel, sender, printOwner(owner), place, cursor, ...excepted],
          // Each storage object has its own `sender` and numbers its own claims. So the key contains the sender and the
          // owner's incarnation.
          extraKey: (prefix) => `${prefix}claimed:${sender}:${owner.incarnation}`,
          order: 'ahead',
        })
        const [outcome, ...parts] = reply as readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
        const kind = outcome.toString()
        if (kind === 'repeated') throw repeatedError()
        // With the answer `done`, the script has stored the number of the unanswered call. That call can then claim nothing any
        // more. Until the answer `done`, all calls of this claim use the same number.
        if (asked !== undefined && kind === 'done') this.#unanswered.delete(key)
        if (kind === 'swept') {
          cursor = parts[0].toString()
          sweep = cursor !== ''
          if (parts[1].length > 0) isLeftover = true
        }
        if (kind !== 'done') continue
        const part = readAnswer(parts)
        whole = whole === null ? part : join(whole, part)
        place = parts[4]
      } catch (error) {
        if (isRepeated(error)) this.#unanswered.delete(key)
        else if (mode === 'take' && limit > 0) this.#unanswered.set(key, number)
        if (whole === null || taken === 0) throw error
        return { ...whole, stopped: true, isLeftover }
      }
      if (place.length === 0) return { ...whole, isLeftover }
    }
  }
}

function keyOf(shard: number, { owner }: ClaimRequest): string {
  return `${shard} ${owner.incarnation}`
}

function join(whole: ShardAnswer, part: ShardAnswer): ShardAnswer {
  const { nextDueAt } = whole
  return {
    claimed: [...whole.claimed, ...part.claimed],
    cancelRequested: part.cancelRequested,
    seen: [...whole.seen, ...part.seen],
    more: whole.more || part.more,
    stopped: whole.stopped || part.stopped,
    isLeftover: false,
    wakes: whole.wakes || part.wakes,
    nextDueAt: nextDueAt === null ? part.nextDueAt : Math.min(nextDueAt, part.nextDueAt ?? nextDueAt),
  }
}

function readAnswer([numbers, notices, seen, taken]: readonly [Buffer, Buffer, Buffer, Buffer, Buffer]): ShardAnswer {
  const claimed: OccurrenceRecord[] = []
  for (let offset = 0; offset < taken.length; ) {
    const start = offset + layouts.taken.size
    const end = start + taken.readUInt32LE(offset + layouts.taken.at.recordSize)
    claimed.push(readOccurrence(readOccurrenceId(taken, offset), taken.subarray(start, end)))
    offset = end
  }
  const { more, stopped, wakes, nextDueAt } = parseFields(layouts.claimed, numbers)
  const places: SeenPlace[] = []
  for (let offset = 0; offset < seen.length; offset += layouts.seen.size) {
    places.push({
      order: seen.readDoubleLE(offset + layouts.seen.at.order),
      key: seen.toString('hex', offset + layouts.seen.at.id, offset + layouts.seen.end.id),
      isBlocked: seen[offset + layouts.seen.at.isBlocked] === 1,
    })
  }
  return {
    claimed,
    cancelRequested: readNotices(notices, null),
    seen: places,
    more: more === 1,
    stopped: stopped === 1,
    isLeftover: false,
    wakes: wakes === 1,
    nextDueAt: nextDueAt === never ? null : nextDueAt,
  }
}
