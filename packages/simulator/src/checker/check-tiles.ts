import type { RecoveryEntry } from '@jobistemer/core/storage'

/** A slot that a recovery decides about. */
export interface TiledSlot {
  readonly slot: number
  /**
   * Whether the slot has a record. `perhaps`: the cancellation of the slot created the record, but the recovery may have read
   * the records before.
   */
  readonly isDecided: boolean | 'perhaps'
}

export interface TileProblem {
  /** The recovery entry that causes the problem; `null` if the problem is that a slot has no entry. */
  readonly entry: RecoveryEntry | null
  readonly message: string
}

/**
 * Checks the entries of a recovery. Yields a problem for:
 * - each slot without an entry
 * - each entry whose number of slots is wrong
 *
 * The recovery strategy `compressed` makes one run for all missed slots. Its number of slots must not include slots with a
 * record.
 */
export function* tileProblems(entries: readonly RecoveryEntry[], slots: readonly TiledSlot[]): Iterable<TileProblem> {
  const tiles = entries.map((entry) => ({ entry, span: spanOf(entry), least: 0, most: 0 }))
  for (const { slot, isDecided } of slots) {
    const tile = tiles.find(({ span }) => slot >= span.from && slot <= span.to)
    if (tile === undefined) {
      yield { entry: null, message: `a recovery has no entry for ${new Date(slot).toISOString()}` }
      continue
    }
    const isLeftOut = isCompressed(tile.entry) && isDecided
    if (!isLeftOut) tile.least++
    if (isLeftOut !== true) tile.most++
  }
  for (const { entry, span, least, most } of tiles) {
    if (span.count >= least && span.count <= most) continue
    const from = new Date(span.from).toISOString()
    yield { entry, message: `its span of ${span.count} slots from ${from} holds ${least}` }
  }
}

/** Returns whether the entry is a single run for all missed slots, which only the recovery strategy `compressed` creates. */
export function isCompressed(entry: RecoveryEntry): boolean {
  return entry.kind === 'run' && entry.details.span !== undefined
}

function spanOf(entry: RecoveryEntry) {
  const span = entry.kind === 'missed' ? entry.span : entry.details.span
  return span ?? { from: entry.scheduledAt, to: entry.scheduledAt, count: 1 }
}
