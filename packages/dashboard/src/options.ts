import type { Client, Clock } from '@jobistemer/core'

/**
 * What somebody wants to do.
 *
 * - `open`: see the dashboard at all, with its counts and nodes. The only one without a job.
 * - `view`: see a job and its runs. Lists leave out what may not be seen.
 * - The others are what they are called. `backfill` is also to stop one.
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

/** What is asked of {@link Authorize}. */
export interface Asked {
  /** What somebody wants to do. */
  readonly action: DashboardAction
  /** The name of the job; `null` for `open`, and for a run whose job is gone. */
  readonly job: string | null
}

/**
 * Says whether a request may do what it asks for. `{ actor }` says yes, and who it is: the name is kept with what is done.
 * What it throws, or rejects with, is a no.
 */
export type Authorize = (request: Request, asked: Asked) => Verdict | Promise<Verdict>

/** What {@link Authorize} answers. */
export type Verdict = boolean | { readonly actor: string }

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

/** What somebody has done by the dashboard. */
export interface AuditEntry {
  /** By the clock of this process. */
  readonly at: Date
  /** What was done, or asked for. */
  readonly action: DashboardAction
  /** The name of the job; `null` when that is gone. */
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
  /** Asked for every read and every action. Without it, and without a `token`, the dashboard is closed. */
  readonly authorize?: Authorize
  /**
   * Whoever knows it may come in: by a link with `?token=…`, which leaves a cookie, or by `Authorization: Bearer …`. What
   * they may do, `authorize` says; without it, everything. At least 16 characters.
   */
  readonly token?: string
  /** Refuses every action, whatever `authorize` says. Default false. */
  readonly readOnly?: boolean
  /** What to hide: some kinds from everybody, or by a rule. Default: nothing. */
  readonly hide?: readonly HiddenKind[] | HideRule
  /** Told of every action, also of one that has failed. What it throws is ignored. */
  readonly audit?: (entry: AuditEntry) => void | Promise<void>
  /**
   * Further origins that pages of this dashboard may come from, as `https://jobs.example.com`: for proxies that change
   * the `Host` header. Default: only the one that a request is made to.
   */
  readonly origins?: readonly string[]
  /** Stands above the page. Default `Jobistemer`. */
  readonly title?: string
  /** Told of what went wrong inside the dashboard. Default: `console`. */
  readonly logger?: { error(fields: object, message: string): void }
  /** Default: the machine's. */
  readonly clock?: Clock
}
