import type { CallOptions, Client, ListedOccurrence } from '@jobistemer/core'
import type { Access } from './access.ts'
import type { Input } from './input.ts'
import type { DashboardAction } from './options.ts'
import type { Settings } from './read-options.ts'
import type { Redaction } from './redaction.ts'
import type { Surveys } from './survey.ts'

/** The context of a route. The dashboard has checked the right before. */
export interface Call {
  readonly client: Client
  readonly request: Request
  /** The query of a read, the body of an action. */
  readonly input: Input
  readonly access: Access
  readonly redaction: Redaction
  readonly settings: Settings
  readonly surveys: Surveys
  /** Options for each call of the client. Their signal fires when the requester disconnects. */
  readonly options: CallOptions
  /** By the clock of this process. */
  readonly now: number
  /** The name of the route's job; empty if the route is not about a job. */
  readonly job: string
  /** The run of the route. */
  readonly run: ListedOccurrence
  /** The actor and the reason of an action. */
  readonly voice: { readonly actor?: string; readonly reason?: string }
}

interface RouteBase {
  readonly path: string
  /** The right that the route needs. */
  readonly action: DashboardAction
  /** The object of the right: no job, the job that `job` names, or the job of the run that `run` names. */
  readonly about: 'all' | 'job' | 'run'
  /** The other members that the route takes. */
  readonly takes: readonly string[]
}

/** A route that only reads. */
export interface Read extends RouteBase {
  readonly method: 'GET'
  /** Returns a value for a JSON answer, or a response. */
  answer(call: Call): Promise<unknown>
}

/** A route that acts. */
export interface Act extends RouteBase {
  readonly method: 'POST'
  /** Returns a value for a JSON answer. */
  answer(call: Call): Promise<unknown>
  /** Whether the request is a dry run. The audit receives no dry runs. */
  isDry?(input: Input): boolean
  /** The route itself checks the right for each job, and calls the audit. */
  readonly isBulk?: true
}

/** Every route except the page and its files. */
export type Route = Read | Act
