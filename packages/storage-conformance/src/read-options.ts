import { printValue } from '@jobistemer/core'
import { invalidOption, readOptionNames, storageFailure } from '@jobistemer/core/storage'
import { type CaseDepth, caseDepths, type CaseNeed, type DeclaredCapabilities } from './storage-case.ts'
import type { StorageWorld } from './storage-world.ts'

// Without these checks, a mistyped option would omit cases, and the kit would pass.

/** All names of capabilities. TypeScript reports a name that this record lacks. */
const capabilities: Readonly<Record<CaseNeed, true>> = {
  multiProcess: true,
  durability: true,
  findsDueJobs: true,
  takesNext: true,
  serverTime: true,
  subscribe: true,
  within: true,
  server: true,
  damage: true,
}
const capabilityNames = Object.keys(capabilities)
const durabilities: readonly unknown[] = ['none', 'process', 'power']
const effortNames = ['scale', 'seeds']
const optionNames = ['describe', 'it', 'name', 'open', 'capabilities', 'depth', 'skip', ...effortNames]

/** Checks the names of the options of `storageConformance`. @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readKitOptions(options: object): void {
  const example = '{ describe, it, name, open }'
  readOptionNames(options, { opener: 'storageConformance', known: optionNames, example })
}

/** Checks the names of the options of `storageCases`. @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readEffortNames(options: object): void {
  readOptionNames(options, { opener: 'storageCases', known: effortNames, example: 'capabilities, { scale, seeds }' })
}

/** Returns the depths of the cases to run, up to the given depth. @throws JobistemerError `INVALID_ARGUMENT` */
export function readDepths(depth: CaseDepth): readonly CaseDepth[] {
  const deepest = caseDepths.indexOf(depth)
  if (deepest >= 0) return caseDepths.slice(0, deepest + 1)
  const remedy = `The depths are ${caseDepths.map(printValue).join(', ')}.`
  throw invalidOption('depth', depth, 'depth is not a depth of the kit', remedy)
}

/** Checks the names and values of declared capabilities. @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readCapabilities(declared: DeclaredCapabilities): void {
  if (Object.prototype.toString.call(declared) !== '[object Object]') {
    const remedy = 'Write an object such as { findsDueJobs: true }, or leave capabilities out.'
    throw invalidOption('capabilities', declared, 'capabilities is not an object', remedy)
  }
  for (const [name, value] of Object.entries(declared)) {
    const field = `capabilities.${name}`
    if (!capabilityNames.includes(name)) {
      const message = `The kit has no capability ${printValue(name)}.`
      const remedy = `The capabilities are ${capabilityNames.join(', ')}.`
      throw storageFailure('UNKNOWN_OPTION', [field, value], message, remedy)
    }
    if (value === undefined) continue
    if (name === 'durability') {
      if (durabilities.includes(value)) continue
      const remedy = `Give ${durabilities.map(printValue).join(', ')}.`
      throw invalidOption(field, value, `${field} is not a durability`, remedy)
    }
    if (typeof value !== 'boolean')
      throw invalidOption(field, value, `${field} is not a boolean`, 'Give true or false.')
  }
}

/** Returns the scale. `field`: the option or the environment variable. @throws JobistemerError `INVALID_ARGUMENT` */
export function readScale(scale: number, field: string): number {
  if (Number.isFinite(scale) && scale > 0) return scale
  throw invalidOption(field, scale, `${field} is not a positive, finite number`, 'Give a number such as 0.5 or 10.')
}

/** Returns the seeds. `field`: the option or the environment variable. @throws JobistemerError `INVALID_ARGUMENT` */
export function readSeeds(seeds: readonly number[], field: string): readonly number[] {
  if (Array.isArray(seeds) && seeds.length > 0 && seeds.every(Number.isSafeInteger)) return seeds
  throw invalidOption(field, seeds, `${field} is not a list of integers`, 'Give at least one integer, such as 1.')
}

/** Checks the test database that `open` has returned. @throws JobistemerError `INVALID_ARGUMENT` */
export function readWorld(world: StorageWorld): StorageWorld {
  // `world` may be any value, because the test file may be written in JavaScript.
  const { connect, dispose } = (world ?? {}) as Partial<StorageWorld>
  if (typeof connect === 'function' && typeof dispose === 'function') return world
  const remedy = 'Let open() return { connect: async () => storage, dispose: async () => {} }.'
  throw invalidOption('open', world, 'open() returned no object with the functions connect and dispose', remedy)
}
