export { jobistemerPlugin } from './plugin.ts'
export type { JobistemerPluginOptions, MetricsRoute, TextRegistry } from './plugin-options.ts'
