import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { DashboardOptions } from '@jobistemer/dashboard'

/** What a registry of prom-client is, as far as it is used. */
export interface TextRegistry {
  /** Of the text. */
  readonly contentType: string
  /** What a scrape is answered with. */
  metrics(): Promise<string>
}

/** Where metrics are served. */
export interface MetricsRoute {
  /** Default `/metrics`. */
  readonly path?: string
  /** A registry of prom-client: `register`, or one of your own. */
  readonly registry: TextRegistry
}

/** What both plugins add to the server. */
export interface SharedPluginOptions {
  /** Whether the storage is closed when the server is. Default true. */
  readonly closeStorage?: boolean
  /**
   * Serves the dashboard, from the package `@jobistemer/dashboard`, below its `basePath`, which comes after the prefixes of the
   * scopes around and of the plugin. It is closed until `authorize` or `token` is given. Default: none.
   */
  readonly dashboard?: Omit<DashboardOptions, 'client'> & { readonly basePath: string }
}

/** What the plugin takes: the options of a scheduler, and what it adds to the server. */
export interface JobistemerPluginOptions extends SchedulerOptions, SharedPluginOptions {
  /** Whether jobs run in this process. `false`: the scheduler is not started, as for tests that want no jobs. Default true. */
  readonly start?: boolean
  /**
   * Fills a registry, by the package `@jobistemer/metrics-prometheus`, and serves it. `metrics` beside it are told too.
   * Default: none.
   */
  readonly metricsRoute?: MetricsRoute
}

/** What the plugin of a client takes: the options of that, and what it adds to the server. */
export interface JobistemerClientPluginOptions extends ClientOptions, SharedPluginOptions {}
