export { jobistemerClientPlugin, jobistemerPlugin } from './plugin.ts'
export type {
  JobistemerClientPluginOptions,
  JobistemerPluginOptions,
  MetricsRoute,
  SharedPluginOptions,
  TextRegistry,
} from './plugin-options.ts'
