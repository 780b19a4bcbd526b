import {
  type CancelNotice,
  type ClaimAnswer,
  type ClaimRequest,
  compareOrder,
  type OccurrenceRecord,
} from '@jobistemer/core/storage'
import type { ScriptArgument, ScriptCall } from './connection.ts'
import { bytesOfId, isJobId, readOccurrenceId } from './ids.ts'
import type { Ledger } from './ledger.ts'
import { never } from './numbers.ts'
import { printOwner, readOccurrence } from './occurrence-form.ts'
import { repeatedError } from './redis-errors.ts'
import { bySchedule, readNotices } from './replies.ts'
import { claimedLayout, claimLayout, seenLayout, takenLayout } from './request-layouts.ts'
import { scripts } from './script.ts'

/** A place in the order in which due occurrences are taken. */
interface Place {
  readonly order: number
  readonly key: string
}

interface SeenPlace extends Place {
  readonly shard: number
  readonly isBlocked: boolean
}

interface ShardAnswer {
  readonly claimed: readonly OccurrenceRecord[]
  readonly cancelRequested: readonly CancelNotice[]
  readonly seen: readonly Omit<SeenPlace, 'shard'>[]
  readonly more: boolean
  /** What is claimed may wake others that may be claimed too: only where a job has a start rate. */
  readonly wakes: boolean
  readonly nextDueAt: number | null
}

const lastPlace: Place = { order: never, key: 'f'.repeat(32) }

/** Takes due occurrences, the first in their order over all shards. */
export class Claimer {
  readonly #ledger: Ledger
  #claims = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const shards = await this.#ledger.connection.shards()
    if (shards === 1) {
      const { claimed, cancelRequested, more, nextDueAt } = await this.#askShard(
        request,
        { shard: 0, shards },
        'take',
        lastPlace,
      )
      // What was woken in between may come before what was taken.
      return { claimed: claimed.toSorted(compareOrder), cancelRequested, more, nextDueAt }
    }
    return await this.#claimOverShards(request, shards)
  }

  /** Looks at all shards first, so that the limit goes to the first of all of them. */
  async #claimOverShards(request: ClaimRequest, shards: number): Promise<ClaimAnswer> {
    const views = await Promise.all(
      Array.from({ length: shards }, (_, shard) => this.#askShard(request, { shard, shards }, 'peek', lastPlace)),
    )
    const places = views
      .flatMap(({ seen }, shard) => seen.map((place): SeenPlace => ({ ...place, shard })))
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
    const shardsAsked = [...wanted]
    // What is woken was not seen: it may have what nobody else needs.
    const share = views.some(({ wakes }) => wakes) ? Math.floor(open / Math.max(1, shardsAsked.length)) : 0
    const answers = await Promise.all(
      shardsAsked.map(([shard, { limit, last }]) =>
        this.#askShard({ ...request, limit: limit + share }, { shard, shards }, 'take', share === 0 ? last : lastPlace),
      ),
    )
    // Where something was taken, what was seen before is no longer the whole.
    const latest = [...views]
    for (const [index, [shard]] of shardsAsked.entries()) latest[shard] = answers[index] as ShardAnswer
    const upcoming = latest.flatMap(({ nextDueAt }) => nextDueAt ?? [])
    return {
      claimed: answers.flatMap(({ claimed }) => claimed).sort(compareOrder),
      cancelRequested: latest.flatMap(({ cancelRequested }) => cancelRequested).sort(bySchedule),
      // What came in after the look may have taken the place of what was seen.
      more: more || answers.some((answer) => answer.more),
      nextDueAt: upcoming.length === 0 ? null : Math.min(...upcoming),
    }
  }

  async #askShard(
    request: ClaimRequest,
    place: Pick<ScriptCall, 'shard' | 'shards'>,
    mode: 'peek' | 'take',
    last: Place,
  ): Promise<ShardAnswer> {
    const { connection, channel, sender } = this.#ledger
    const { now, owner, limit, exceptHandlerKeys, sweep } = request
    const values = Buffer.allocUnsafe(claimLayout.size)
    const { at } = claimLayout
    values.writeDoubleLE(now, at.now)
    values.writeUInt32LE(limit, at.limit)
    values[at.sweep] = sweep ? 1 : 0
    values[at.isPeek] = mode === 'peek' ? 1 : 0
    values.writeDoubleLE(last.order, at.lastAt)
    values.write(last.key, at.lastId, 'hex')
    const printedOwner = printOwner(owner)
    // Those that are ids of jobs are not stored: the script goes by the job there.
    const excepted = exceptHandlerKeys.flatMap((key): ScriptArgument[] =>
      isJobId(key) ? [key, bytesOfId(key)] : [key],
    )
    const call: ScriptCall = {
      script: scripts.claim,
      ...place,
      arguments: [values, channel, sender, printedOwner, `${sender} ${this.#claims++}`, ...excepted],
      extraKey: (prefix) => `${prefix}claimed:${sender}`,
      order: 'ahead',
    }
    for (;;) {
      const [reply] = await connection.write([call])
      const [outcome, ...parts] = reply as readonly [Buffer, Buffer, Buffer, Buffer, Buffer]
      const kind = outcome.toString()
      if (kind === 'done') return readAnswer(parts)
      if (kind === 'repeated') throw repeatedError()
    }
  }
}

function readAnswer([numbers, notices, seen, taken]: readonly [Buffer, Buffer, Buffer, Buffer]): ShardAnswer {
  const claimed: OccurrenceRecord[] = []
  for (let offset = 0; offset < taken.length; ) {
    const start = offset + takenLayout.size
    const end = start + taken.readUInt32LE(offset + takenLayout.at.recordSize)
    claimed.push(readOccurrence(readOccurrenceId(taken, offset), taken.subarray(start, end)))
    offset = end
  }
  const nextDueAt = numbers.readDoubleLE(claimedLayout.at.nextDueAt)
  const places: Omit<SeenPlace, 'shard'>[] = []
  for (let offset = 0; offset < seen.length; offset += seenLayout.size) {
    places.push({
      order: seen.readDoubleLE(offset + seenLayout.at.order),
      key: seen.toString('hex', offset + seenLayout.at.id, offset + seenLayout.end.id),
      isBlocked: seen[offset + seenLayout.at.isBlocked] === 1,
    })
  }
  return {
    claimed,
    cancelRequested: readNotices(notices, null),
    seen: places,
    more: numbers[claimedLayout.at.more] === 1,
    wakes: numbers[claimedLayout.at.wakes] === 1,
    nextDueAt: nextDueAt === never ? null : nextDueAt,
  }
}
