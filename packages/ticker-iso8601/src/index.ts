export { type Iso8601Options, iso8601 } from './iso8601.ts'
export { type Iso8601Schedule, iso8601Type, type UnboundIso8601Schedule } from './iso8601-schedule.ts'
