import type { CallOptions, Client, ListedOccurrence } from '@jobistemer/core'
import type { Access } from './access.ts'
import type { Input } from './input.ts'
import type { DashboardAction } from './options.ts'
import type { Settings } from './read-options.ts'
import type { Redaction } from './redaction.ts'
import type { Surveys } from './survey.ts'

/** What a route works with. Its right was checked before. */
export interface Call {
  readonly client: Client
  readonly request: Request
  /** The query of a read, the body of an action. */
  readonly input: Input
  readonly access: Access
  readonly redaction: Redaction
  readonly settings: Settings
  readonly surveys: Surveys
  /** For each call of the client: ends when whoever asked has gone. */
  readonly options: CallOptions
  /** By the clock of this process. */
  readonly now: number
  /** The job that it is about; empty where the route is about none. */
  readonly job: string
  /** The run that it is about. */
  readonly run: ListedOccurrence
  /** What an action is done with: who, and why. */
  readonly voice: { readonly actor?: string; readonly reason?: string }
}

interface RouteBase {
  readonly path: string
  /** The right that it needs. */
  readonly action: DashboardAction
  /** Whose right: of all, of the job that `job` names, or of the job of the run that `run` names. */
  readonly about: 'all' | 'job' | 'run'
  /** The members that it takes, beside those. */
  readonly takes: readonly string[]
}

/** Something to read. Nothing is changed by it. */
export interface Read extends RouteBase {
  readonly method: 'GET'
  /** What is answered, as JSON, or a response. */
  answer(call: Call): Promise<unknown>
}

/** Something to do. */
export interface Act extends RouteBase {
  readonly method: 'POST'
  /** What is answered, as JSON. */
  answer(call: Call): Promise<unknown>
  /** It only answers what would be done: nothing to keep in the audit. */
  isDry?(input: Input): boolean
  /** It asks for the right of each job by itself, and tells the audit itself. */
  readonly isBulk?: true
}

/** All that can be asked for, but the page itself and its files. */
export type Route = Read | Act
