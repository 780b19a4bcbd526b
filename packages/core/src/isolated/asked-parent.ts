import { JobistemerError } from '../errors.ts'
import type { JsonValue } from '../json.ts'
import type { AskedOfNode, ToChild } from './messages.ts'
import type { ParentLink } from './parent-link.ts'
import { revivedError } from './revived-error.ts'
import { mostOpenRequests } from '../tuning.ts'

/** Requests that the handler of one attempt has sent to its node and that await an answer. */
export class AskedParent {
  readonly #parent: ParentLink
  readonly #run: number
  readonly #open = new Map<number, { resolve(value: JsonValue | undefined): void; reject(error: unknown): void }>()
  #calls = 0

  constructor(parent: ParentLink, run: number) {
    this.#parent = parent
    this.#run = run
  }

  async ask(asked: AskedOfNode): Promise<JsonValue | undefined> {
    if (this.#open.size >= mostOpenRequests) {
      throw new JobistemerError('INVALID_ARGUMENT', {
        message: `A handler waits for ${mostOpenRequests} answers of its node already.`,
        field: asked.name,
        remedy: 'Await one before asking for the next.',
      })
    }
    const call = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#open.set(call, { resolve, reject })
      this.#parent.post({ kind: 'call', run: this.#run, call, asked })
    })
  }

  answered({ call, value, error }: Extract<ToChild, { kind: 'answer' }>): void {
    const waiting = this.#open.get(call)
    this.#open.delete(call)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(revivedError(error))
  }

  /** Rejects the pending requests with the reason of the fired signal. */
  abort(reason: unknown): void {
    for (const { reject } of this.#open.values()) reject(reason)
    this.#open.clear()
  }
}
