import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { DashboardOptions } from '@jobistemer/dashboard'

/** The members of a prom-client registry that the plugin uses. */
export interface TextRegistry {
  /** The content type of the text. */
  readonly contentType: string
  /** Returns the text of a scrape. */
  metrics(): Promise<string>
}

/** The route of the metrics. */
export interface MetricsRoute {
  /** Default `/metrics`. */
  readonly path?: string
  /** A registry of prom-client: `register`, or your own. */
  readonly registry: TextRegistry
}

/** The options that both plugins share. */
export interface SharedPluginOptions {
  /** Whether the plugin closes the storage when the server closes. Default true. */
  readonly closeStorage?: boolean
  /**
   * Serves the dashboard, from the package `@jobistemer/dashboard`, below its `basePath`, which comes after the prefixes of the
   * scopes around and of the plugin. It is closed until `authorize` or `token` is given. Default: none.
   */
  readonly dashboard?: Omit<DashboardOptions, 'client'> & { readonly basePath: string }
}

/** The options of the plugin: those of a scheduler, and those for the server. */
export interface JobistemerPluginOptions extends SchedulerOptions, SharedPluginOptions {
  /** Whether jobs run in this process. `false`: the plugin does not start the scheduler, for example in tests. Default true. */
  readonly start?: boolean
  /**
   * Fills a registry with `@jobistemer/metrics-prometheus`, and serves it. The option `metrics` still works beside it.
   * Default: none.
   */
  readonly metricsRoute?: MetricsRoute
}

/** The options of the client plugin: those of a client, and those for the server. */
export interface JobistemerClientPluginOptions extends ClientOptions, SharedPluginOptions {}
