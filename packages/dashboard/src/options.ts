import type { Client, Clock } from '@jobistemer/core'

/**
 * An action of a user.
 *
 * - `open`: see the dashboard, with its counts and nodes. The only action without a job.
 * - `view`: see a job and its runs. Lists omit jobs that the user may not view.
 * - All other actions are operations on jobs. `backfill` includes stopping one. `remove` applies to jobs without code.
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

/** The question to {@link Authorize}. */
export interface Asked {
  /** The action of the user. */
  readonly action: DashboardAction
  /** The name of the job; `null` for `open`, and for a run whose job was deleted. */
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
 * The answer of {@link Authorize}. `seesAll` in the answer to `open`: the user may view every job. Then no question of
 * `view` follows, and counts are exact for any number of jobs.
 */
export type Verdict = boolean | { readonly actor: string; readonly seesAll?: boolean }

/**
 * The kinds of data that the dashboard can hide.
 *
 * - `payloads`: the data of runs and tasks.
 * - `results`: the results of tasks.
 * - `logs`: log lines of handlers, and the texts of their progress.
 * - `errors`: messages and stacks. The name and the code of an error stay.
 */
export type HiddenKind = 'payloads' | 'results' | 'logs' | 'errors'

/** Returns whether to hide a kind of data of a job from the requester. If the rule throws, the data are hidden. */
export type HideRule = (
  what: HiddenKind,
  asked: { readonly job: string | null; readonly request: Request },
) => boolean | Promise<boolean>

/** An action that a user took or tried through the dashboard. */
export interface AuditEntry {
  /** By the clock of this process. */
  readonly at: Date
  /** The action, done or refused. */
  readonly action: DashboardAction
  /** The name of the job; `null` if the job was deleted, or if the dashboard refused the request before it read the job. */
  readonly job: string | null
  /** The run of the action; `null` for an action on a job. */
  readonly run: string | null
  /** The actor from {@link Authorize}; `null` without one. */
  readonly actor: string | null
  /** The reason that the user gave; `null` without one. */
  readonly reason: string | null
  /** The code of the error of a failed or refused action; `null` after success. */
  readonly error: string | null
}

/** The options of `createDashboard`. */
export interface DashboardOptions {
  /** The client of the storage to show. The dashboard does not close the client. */
  readonly client: Client
  /** The path of the dashboard, for example `/admin/jobs`. Default: the root. */
  readonly basePath?: string
  /** Decides about every read and every action. A dashboard needs `authorize`, a `token`, or both. */
  readonly authorize?: Authorize
  /**
   * Lets a user in: by a link with `?token=…` or the sign-in page, which set a cookie, or by `Authorization: Bearer …`.
   * `authorize` decides what the user may do; without it, everything is allowed. At least 16 characters.
   */
  readonly token?: string
  /** Refuses every action, whatever `authorize` says. Default false. */
  readonly readOnly?: boolean
  /** The kinds to hide from all users, or a rule. Default: nothing. */
  readonly hide?: readonly HiddenKind[] | HideRule
  /** Called after every action, also after a failed or refused action. The dashboard ignores its errors. */
  readonly audit?: (entry: AuditEntry) => void | Promise<void>
  /**
   * Further origins that pages of this dashboard may come from, as `https://jobs.example.com`: for proxies that change
   * the `Host` header. Default: only the origin of the request.
   */
  readonly origins?: readonly string[]
  /**
   * Encrypts the cursors of lists. Processes that serve one dashboard need the same one, so that a page of one process
   * continues on another. At least 16 characters. Default: the `token`; without it a random one, and a cursor ends with
   * its process.
   */
  readonly secret?: string
  /** The title of the page. Default `Jobistemer`. */
  readonly title?: string
  /** Receives errors of the dashboard and of the storage. Default: `console`. */
  readonly logger?: { error(fields: object, message: string): void }
  /** Default: the machine's. */
  readonly clock?: Clock
}
