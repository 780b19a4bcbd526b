import type { FromChild, ToChild } from './messages.ts'

/** A child's way to its node. */
export interface ParentLink {
  post(message: FromChild): void
  /** Calls back with all that the node says. */
  listen(hear: (message: ToChild) => void): void
  /** The last attempt has ended, and the node has been told: nothing that it has left open keeps the child alive. */
  leave(): void
}
