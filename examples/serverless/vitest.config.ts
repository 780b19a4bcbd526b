export { sharedSettings as default } from '../../packages/workspace/vitest.shared.ts'
