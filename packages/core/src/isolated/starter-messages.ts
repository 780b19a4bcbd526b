import type { ErrorRecord } from '../storage/occurrence-record.ts'
import type { ToChild } from './messages.ts'

// All messages between node and starter travel as structured clones. `child` numbers the children of one starter.

/** Messages of a node to its starter. */
export type ToStarter =
  | {
      readonly kind: 'start'
      readonly child: number
      /** The options of Node.js for the child. */
      readonly execArgv: readonly string[]
      readonly env: Readonly<Record<string, string | undefined>>
      /** The working directory of the node, if it exists. */
      readonly folder: string | undefined
    }
  | { readonly kind: 'post'; readonly child: number; readonly message: ToChild }
  | { readonly kind: 'kill'; readonly child: number }

/** Messages of a starter to its node. */
export type FromStarter =
  | { readonly kind: 'started'; readonly child: number; readonly pid: number }
  /** A message of a child. A handler can send any message, so the node checks it. */
  | { readonly kind: 'heard'; readonly child: number; readonly message: unknown }
  /** The child has written this text to stderr. */
  | { readonly kind: 'wrote'; readonly child: number; readonly text: string }
  | {
      readonly kind: 'ended'
      readonly child: number
      readonly exitCode: number | null
      readonly signal: string | null
      /** The error if the child could not be started. */
      readonly error?: ErrorRecord
    }
