export { sharedSettings as default } from './vitest.shared.ts'
