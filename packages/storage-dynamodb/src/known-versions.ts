import { type Item, sizeOf } from './attributes.ts'
import type { StoredHead } from './job-item.ts'

const bytesKept = 4_000_000

/** Caches the latest job versions that this process has read, so that later reads pay only for the head. */
export class KnownVersions {
  readonly #items: Map<string, Item> = new Map()
  #bytes = 0

  /** Returns the item of the head's version in force, if it is cached. */
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

/**
 * Returns the cache key of a version. The key contains the creation instant of the job, because a job that was removed
 * and is defined again numbers its versions from 1 again.
 */
function nameOf({ id, version, createdAt }: StoredHead): string {
  return `${id} ${version} ${createdAt}`
}
