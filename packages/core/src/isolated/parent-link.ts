import type { FromChild, ToChild } from './messages.ts'

/** The channel of a child to its node. */
export interface ParentLink {
  post(message: FromChild): void
  /** Calls back with each message of the node. */
  listen(hear: (message: ToChild) => void): void
  /** The last attempt has ended and was reported. Open handles of the handler do not keep the child alive. */
  leave(): void
}
