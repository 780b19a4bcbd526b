import type { CallOptions, Client, ListedOccurrence } from '@jobistemer/core'
import type { Access } from './access.ts'
import type { Input } from './input.ts'
import type { DashboardAction } from './options.ts'
import type { Settings } from './read-options.ts'
import type { Redaction } from './redaction.ts'
import type { Surveys } from './survey.ts'

/**
 * What a route receives with an HTTP request. The dashboard has already checked that the viewer has the right that the route
 * needs.
 */
export interface Call {
  readonly client: Client
  readonly request: Request
  /** The parsed input of an HTTP request: the query if the route only reads, the body if the route performs an action. */
  readonly input: Input
  readonly access: Access
  readonly redaction: Redaction
  readonly settings: Settings
  readonly surveys: Surveys
  /**
   * Options for each client call of the route. If the requester disconnects, the signal in these options aborts the calls.
   */
  readonly options: CallOptions
  /** The time of the request in epoch milliseconds, by the clock of this process. */
  readonly now: number
  /** The name of the route's job; empty if the route is not about a job. */
  readonly job: string
  /** The run that the HTTP request names, for a route about a run. */
  readonly run: ListedOccurrence
  /** The actor and the reason that the client stores with an action. */
  readonly voice: { readonly actor?: string; readonly reason?: string }
}

interface RouteBase {
  readonly path: string
  /** The right that an HTTP request to this route needs. */
  readonly action: DashboardAction
  /**
   * What the right applies to: the whole dashboard, the job that `job` names, or the job of the run that `run` names.
   */
  readonly about: 'all' | 'job' | 'run'
  /**
   * The names of the input members that the route accepts. Every route also accepts the `job` or `run` that `about`
   * requires, and every action accepts `reason`.
   */
  readonly takes: readonly string[]
}

/** A route that only reads. */
export interface Read extends RouteBase {
  readonly method: 'GET'
  /** Answers the request. A returned `Response` is sent unchanged, another value as JSON. */
  answer(call: Call): Promise<unknown>
}

/** A route that performs an action. */
export interface Act extends RouteBase {
  readonly method: 'POST'
  /** Performs the action. The returned value is sent as JSON. */
  answer(call: Call): Promise<unknown>
  /** Returns whether the request is a dry run, which the dashboard does not report to `audit`. */
  isDry?(input: Input): boolean
  /** `true`: the route itself checks the right for each job, and reports each action to the audit. */
  readonly isBulk?: true
}

/** A route that returns data or performs an action. The page and its files have no `Route`. */
export type Route = Read | Act
