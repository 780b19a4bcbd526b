import type { ErrorRecord } from '../storage/occurrence-record.ts'
import type { ToChild } from './messages.ts'

// All messages travel as JSON. `child` counts the children of one starter.

/** Messages of a node to its starter. */
export type ToStarter =
  | {
      readonly kind: 'start'
      readonly child: number
      /** The options of Node. */
      readonly execArgv: readonly string[]
      readonly env: Readonly<Record<string, string | undefined>>
      /** `null`: the starter's own working directory, because the node's was removed. */
      readonly folder: string | null
    }
  | { readonly kind: 'post'; readonly child: number; readonly message: ToChild }
  | { readonly kind: 'kill'; readonly child: number }

/** Messages of a starter to its node. */
export type FromStarter =
  | { readonly kind: 'started'; readonly child: number; readonly pid: number }
  /** A handler can send any message. */
  | { readonly kind: 'heard'; readonly child: number; readonly message: unknown }
  /** To stderr. */
  | { readonly kind: 'wrote'; readonly child: number; readonly text: string }
  | {
      readonly kind: 'ended'
      readonly child: number
      readonly exitCode: number | null
      readonly signal: string | null
      /** The child could not be started. */
      readonly error?: ErrorRecord
    }
