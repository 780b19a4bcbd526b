/**
 * An area of the repository whose built code is mutated, and the tests that must detect its mutants.
 * @typedef {object} Area
 * @property {string} folder the built code, below the repository's root
 * @property {readonly string[]} tests
 */

const core = ['packages/scenarios/test/**/*.test.ts', 'packages/core/test/**/*.test.ts']
const kitOnMemory = ['packages/storage-memory/test/**/*.test.ts', 'packages/storage-conformance/test/memory.test.ts']

/** The tests of the LevelDB example. They run the asynchronous code of the storage steps, and need no database server. */
const kitOnLevel = 'examples/level-storage/test/conformance.test.mjs'

/** @type {Readonly<Record<string, Area>>} */
export const areas = {
  engine: { folder: 'packages/core/dist/engine', tests: core },
  steps: {
    folder: 'packages/core/dist/storage',
    tests: ['packages/core/test/**/*.test.ts', ...kitOnMemory, kitOnLevel],
  },
  'ticker-cron': { folder: 'packages/ticker-cron/dist', tests: ['packages/ticker-cron/test/**/*.test.ts'] },
  'ticker-iso8601': { folder: 'packages/ticker-iso8601/dist', tests: ['packages/ticker-iso8601/test/**/*.test.ts'] },
  'ticker-once': { folder: 'packages/ticker-once/dist', tests: ['packages/ticker-once/test/**/*.test.ts'] },
  memory: { folder: 'packages/storage-memory/dist', tests: kitOnMemory },
  sqlite: { folder: 'packages/storage-sqlite/dist', tests: ['packages/storage-sqlite/test/**/*.test.ts'] },
  postgres: { folder: 'packages/storage-postgres/dist', tests: ['packages/storage-postgres/test/**/*.test.ts'] },
  redis: { folder: 'packages/storage-redis/dist', tests: ['packages/storage-redis/test/**/*.test.ts'] },
  dynamodb: { folder: 'packages/storage-dynamodb/dist', tests: ['packages/storage-dynamodb/test/**/*.test.ts'] },
}
