import type { FromChild, ToChild } from './messages.ts'

/** The channel of a child to its node. */
export interface ParentLink {
  post(message: FromChild): void
  /** Calls `hear` with each message of the node. */
  listen(hear: (message: ToChild) => void): void
  /**
   * Called when the last attempt has ended and its end was reported. Handles that the handler left open do not keep the child
   * alive then.
   */
  leave(): void
}
