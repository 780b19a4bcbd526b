import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { DashboardOptions } from '@jobistemer/dashboard'

/** The members of a prom-client registry that the plugin uses. */
export interface TextRegistry {
  /** The value for the header `content-type` of the metrics text. */
  readonly contentType: string
  /** Returns the text of all metrics for one scrape. */
  metrics(): Promise<string>
}

/** The HTTP route that serves the metrics. */
export interface MetricsRoute {
  /** Default `/metrics`. */
  readonly path?: string
  /** The registry of the metrics: prom-client's default `register`, or another one. */
  readonly registry: TextRegistry
}

/** The options that both Fastify plugins accept. */
export interface SharedPluginOptions {
  /** `true`: the plugin closes the storage when the server closes. Default true. */
  readonly closeStorage?: boolean
  /**
   * Serves the dashboard of `@jobistemer/dashboard`. The path of the dashboard is `basePath`, preceded by the prefixes of the
   * plugin and of the enclosing scopes. The dashboard requires `authorize`, `token`, or both. Default: no dashboard.
   */
  readonly dashboard?: Omit<DashboardOptions, 'client'> & { readonly basePath: string }
}

/** The options of `jobistemerPlugin`: the options of a scheduler, and options for the server. */
export interface JobistemerPluginOptions extends SchedulerOptions, SharedPluginOptions {
  /** `true`: jobs run in this process. `false`: the plugin does not start the scheduler, for example in tests. Default true. */
  readonly start?: boolean
  /**
   * Serves metrics of `@jobistemer/metrics-prometheus`. The object in the option `metrics`, if any, still receives all calls.
   * Default: no route.
   */
  readonly metricsRoute?: MetricsRoute
}

/** The options of `jobistemerClientPlugin`: the options of a client, and options for the server. */
export interface JobistemerClientPluginOptions extends ClientOptions, SharedPluginOptions {}
