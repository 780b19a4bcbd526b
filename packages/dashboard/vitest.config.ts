export { sharedSettings as default } from '../workspace/vitest.shared.ts'
