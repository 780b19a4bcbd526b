export { type OnceOptions, type OnceSchedule, once, onceType, type UnboundOnceSchedule } from './once.ts'
