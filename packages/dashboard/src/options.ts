import type { Client, Clock } from '@jobistemer/core'

/**
 * An action of a user.
 *
 * - `open`: see the dashboard, with its counts and nodes. Only this action concerns no job.
 * - `view`: see a job and its runs. Lists omit jobs that the user may not view.
 * - All other actions are operations on jobs. `backfill` includes stopping a backfill. `remove` applies to jobs without code.
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

/** The question that the dashboard asks {@link Authorize} about a request. */
export interface Asked {
  /** The action that the user wants to perform, such as `open` or `view`. */
  readonly action: DashboardAction
  /** The name of the job that the action concerns; `null` for `open`, and for a run whose job was deleted. */
  readonly job: string | null
}

/**
 * Decides whether to allow a request. `true` or `{ actor }` allows the request. `actor` is the name of the user, which core
 * stores with each action of the user. If the function throws or rejects, the dashboard refuses the request.
 *
 * For each request, the dashboard first asks about `open`. The dashboard asks no question twice, and asks at most 1,000
 * questions about jobs.
 */
export type Authorize = (request: Request, asked: Asked) => Verdict | Promise<Verdict>

/**
 * The answer of {@link Authorize}. `seesAll` in the answer to `open` means that the user may view every job. The
 * dashboard then asks no `view` questions, and counts are exact for any number of jobs.
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

/**
 * Returns whether to hide a kind of data of a job from the requester. If the rule throws, the dashboard hides the data.
 */
export type HideRule = (
  what: HiddenKind,
  asked: { readonly job: string | null; readonly request: Request },
) => boolean | Promise<boolean>

/** An action that a user took or tried through the dashboard. */
export interface AuditEntry {
  /** The time of the action, by the clock of this process. */
  readonly at: Date
  /** The action that the user took or that the dashboard refused. */
  readonly action: DashboardAction
  /** The name of the job; `null` if the job was deleted, or if the dashboard refused the request before it read the job. */
  readonly job: string | null
  /** The id of the run of the action; `null` for an action on a job. */
  readonly run: string | null
  /** The actor that {@link Authorize} returned; `null` without an actor. */
  readonly actor: string | null
  /** The reason that the user gave; `null` without a reason. */
  readonly reason: string | null
  /** The code of the error of a failed or refused action; `null` after success. */
  readonly error: string | null
}

/** The options of `createDashboard`. */
export interface DashboardOptions {
  /** The client whose storage the dashboard shows. The dashboard does not close the client. */
  readonly client: Client
  /** The path at which the dashboard is mounted, for example `/admin/jobs`. Default: the root. */
  readonly basePath?: string
  /**
   * Decides whether to allow a read or an action. The dashboard asks for every read and every action. A dashboard requires
   * `authorize`, `token`, or both.
   */
  readonly authorize?: Authorize
  /**
   * A secret of at least 16 characters. A user presents it by a link with `?token=…`, on the sign-in page, or as
   * `Authorization: Bearer …`. Without `authorize`, the dashboard allows everything to a user with the secret.
   */
  readonly token?: string
  /** `true`: refuses every action, whatever `authorize` returns. Default: false. */
  readonly readOnly?: boolean
  /** The kinds of data to hide from all users, or a rule that decides for each request. Default: hides nothing. */
  readonly hide?: readonly HiddenKind[] | HideRule
  /**
   * The dashboard calls `audit` after every action, also after a failed or refused action. The dashboard ignores errors of
   * `audit`.
   */
  readonly audit?: (entry: AuditEntry) => void | Promise<void>
  /**
   * Further origins whose pages may send requests to the dashboard, such as `https://jobs.example.com`. Needed behind a proxy
   * that changes the `Host` header. Default: only the origin of the request itself.
   */
  readonly origins?: readonly string[]
  /**
   * Key of at least 16 characters that encrypts list cursors. Processes that serve one dashboard need the same secret to accept
   * each other's cursors. Default: the `token`, else a random key that is lost when the process ends.
   */
  readonly secret?: string
  /** The title of the page. Default `Jobistemer`. */
  readonly title?: string
  /** Receives errors of the dashboard and of the storage. Default: `console`. */
  readonly logger?: { error(fields: object, message: string): void }
  /** The clock of the dashboard. Default: this machine's clock. */
  readonly clock?: Clock
}
