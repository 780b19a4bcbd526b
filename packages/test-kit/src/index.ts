export { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
export { forgetWake } from './sabotage/forget-wake.ts'
export { ignoreToken } from './sabotage/ignore-token.ts'
export { splitOverlap } from './sabotage/split-overlap.ts'
