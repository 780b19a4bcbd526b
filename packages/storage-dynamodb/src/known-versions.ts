import { type Item, sizeOf } from './attributes.ts'
import type { StoredHead } from './job-item.ts'

const bytesKept = 4_000_000

/**
 * Versions of jobs that this process has read last. A version never changes, so a later read of the head does not pay for
 * the version again. Idle nodes read heads all the time.
 */
export class KnownVersions {
  readonly #items: Map<string, Item> = new Map()
  #bytes = 0

  /** The item of the version that the head puts in force. */
  get(head: StoredHead): Item | undefined {
    const name = nameOf(head)
    const item = this.#items.get(name)
    if (item === undefined) return undefined
    this.#items.delete(name)
    this.#items.set(name, item)
    return item
  }

  keep(head: StoredHead, item: Item): void {
    const name = nameOf(head)
    if (this.#items.has(name)) return
    this.#items.set(name, item)
    this.#bytes += sizeOf(item)
    for (const [oldest, left] of this.#items) {
      if (this.#bytes <= bytesKept) break
      this.#items.delete(oldest)
      this.#bytes -= sizeOf(left)
    }
  }
}

/** A job that is lost, or forgotten after its deletion, and defined again, counts its versions from one again. */
function nameOf({ id, version, createdAt }: StoredHead): string {
  return `${id} ${version} ${createdAt}`
}
