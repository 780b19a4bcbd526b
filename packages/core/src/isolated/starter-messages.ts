import type { ErrorRecord } from '../storage/occurrence-record.ts'
import type { ToChild } from './messages.ts'

// All of it travels as JSON. `child` counts the children of one starter.

/** What a node says to the process that starts others for it. */
export type ToStarter =
  | {
      readonly kind: 'start'
      readonly child: number
      /** The options of Node. */
      readonly execArgv: readonly string[]
      readonly env: Readonly<Record<string, string | undefined>>
      /** `null`: the starter's own, since the node's is gone. */
      readonly folder: string | null
    }
  | { readonly kind: 'post'; readonly child: number; readonly message: ToChild }
  | { readonly kind: 'kill'; readonly child: number }

/** What it says to its node. */
export type FromStarter =
  | { readonly kind: 'started'; readonly child: number; readonly pid: number }
  /** A handler can send what it likes. */
  | { readonly kind: 'heard'; readonly child: number; readonly message: unknown }
  /** To stderr. */
  | { readonly kind: 'wrote'; readonly child: number; readonly text: string }
  | {
      readonly kind: 'ended'
      readonly child: number
      readonly exitCode: number | null
      readonly signal: string | null
      /** It could not be started. */
      readonly error?: ErrorRecord
    }
