import type { JsonValue } from '@jobistemer/core'

/** The first message from the parent to a child: how to connect, and which script to run. */
export interface RaceAssignment {
  readonly module: string
  readonly exportName: string
  readonly argument: JsonValue
  /** The name of a script in `raceScripts`. */
  readonly script: string
  readonly parameters: JsonValue
}

export type ToChild = { readonly kind: 'assignment'; readonly assignment: RaceAssignment } | { readonly kind: 'go' }

export type FromChild =
  /** The child is connected, and waits for the start message. */
  | { readonly kind: 'ready' }
  /** A value that a script reports while it runs. */
  | { readonly kind: 'report'; readonly value: JsonValue }
  | { readonly kind: 'done'; readonly result: JsonValue }
  | { readonly kind: 'failed'; readonly error: string }
