import type { Client, Clock } from '@jobistemer/core'

/**
 * What somebody wants to do.
 *
 * - `open`: see the dashboard at all, with its counts and nodes. The only one without a job.
 * - `view`: see a job and its runs. Lists leave out what may not be seen.
 * - The others are what they are called. `backfill` is also to stop one. `remove` is offered for jobs without code.
 */
export type DashboardAction =
  | 'open'
  | 'view'
  | 'trigger'
  | 'replay'
  | 'cancel'
  | 'cancelSlot'
  | 'pause'
  | 'resume'
  | 'backfill'
  | 'remove'

/** What is asked of {@link Authorize}. */
export interface Asked {
  /** What somebody wants to do. */
  readonly action: DashboardAction
  /** The name of the job; `null` for `open`, and for a run whose job is gone. */
  readonly job: string | null
}

/**
 * Decides whether a request may do what it asks for. `{ actor }` allows it and names the user: core keeps the name with
 * each action. If the function throws or rejects, the request is refused.
 *
 * The first question of each request is `open`. A request puts each question once, and at most 1,000 more.
 */
export type Authorize = (request: Request, asked: Asked) => Verdict | Promise<Verdict>

/**
 * What {@link Authorize} answers. `seesAll` in the answer to `open`: the user may view every job. Then no question of
 * `view` follows, and counts are exact for any number of jobs.
 */
export type Verdict = boolean | { readonly actor: string; readonly seesAll?: boolean }

/**
 * What can be hidden.
 *
 * - `payloads`: the data of runs and tasks.
 * - `results`: what tasks have returned.
 * - `logs`: what handlers have logged, and the texts of their progress.
 * - `errors`: messages and stacks. The name and the code of an error stay.
 */
export type HiddenKind = 'payloads' | 'results' | 'logs' | 'errors'

/** Says whether to hide something of a job from whoever asks. What it throws hides it. */
export type HideRule = (
  what: HiddenKind,
  asked: { readonly job: string | null; readonly request: Request },
) => boolean | Promise<boolean>

/** An action that a user took or tried through the dashboard. */
export interface AuditEntry {
  /** By the clock of this process. */
  readonly at: Date
  /** What was done, or asked for. */
  readonly action: DashboardAction
  /** The name of the job; `null` when that is gone, and when the request was refused before it was read. */
  readonly job: string | null
  /** The run that it was done to; `null` when it was done to the job. */
  readonly run: string | null
  /** As {@link Authorize} has said; `null` when it has not. */
  readonly actor: string | null
  /** What was given as the reason; `null` without one. */
  readonly reason: string | null
  /** The code of the error that it ended with; `null` when it was done. */
  readonly error: string | null
}

/** What `createDashboard` takes. */
export interface DashboardOptions {
  /** Of the storage to show. The dashboard does not close it. */
  readonly client: Client
  /** Where it is mounted, as in `/admin/jobs`. Default: at the root. */
  readonly basePath?: string
  /** Asked for every read and every action. A dashboard needs it, a `token`, or both. */
  readonly authorize?: Authorize
  /**
   * Lets a user in: by a link with `?token=…` or the sign-in page, which set a cookie, or by `Authorization: Bearer …`.
   * `authorize` decides what the user may do; without it, everything is allowed. At least 16 characters.
   */
  readonly token?: string
  /** Refuses every action, whatever `authorize` says. Default false. */
  readonly readOnly?: boolean
  /** What to hide: some kinds from everybody, or by a rule. Default: nothing. */
  readonly hide?: readonly HiddenKind[] | HideRule
  /** Called after every action, also after one that failed or was refused. What it throws is ignored. */
  readonly audit?: (entry: AuditEntry) => void | Promise<void>
  /**
   * Further origins that pages of this dashboard may come from, as `https://jobs.example.com`: for proxies that change
   * the `Host` header. Default: only the one that a request is made to.
   */
  readonly origins?: readonly string[]
  /**
   * Encrypts the cursors of lists. Processes that serve one dashboard need the same one, so that a page of one process
   * continues on another. At least 16 characters. Default: the `token`; without it a random one, and a cursor ends with
   * its process.
   */
  readonly secret?: string
  /** Stands above the page. Default `Jobistemer`. */
  readonly title?: string
  /** Told of what went wrong inside the dashboard. Default: `console`. */
  readonly logger?: { error(fields: object, message: string): void }
  /** Default: the machine's. */
  readonly clock?: Clock
}
