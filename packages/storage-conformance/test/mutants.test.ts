import { AssertionError } from 'node:assert'
import { describe, expect, it } from 'vitest'
import { type StorageCase, storageCases, withWorld } from '../src/index.ts'
import { createMutants } from './mutants/create-mutants.ts'
import { jobMutants } from './mutants/job-mutants.ts'
import { Ledger, ledgerWorld } from './mutants/mutant.ts'
import { raceMutants } from './mutants/race-mutants.ts'
import { settleMutants } from './mutants/settle-mutants.ts'

const mutants = [...createMutants, ...settleMutants, ...jobMutants, ...raceMutants]

const everything = storageCases({ multiProcess: true, durability: 'power', subscribe: true, serverTime: true })

function caseNamed(name: string, cases: readonly StorageCase[] = everything): StorageCase {
  const found = cases.find((storageCase) => storageCase.name === name)
  if (found === undefined) throw new Error(`there is no case "${name}"`)
  return found
}

describe('each broken storage is rejected by the case that names its fault', () => {
  it.each(mutants.flatMap((mutant) => mutant.rejectedBy.map((name) => ({ mutant, fault: mutant.name, name }))))(
    '$fault: $name',
    async ({ mutant, name }) => {
      const storageCase = caseNamed(name, storageCases(mutant.capabilities))
      const failure = await withWorld(mutant.open, (world) => storageCase.run(world)).then(
        () => null,
        (error: unknown) => error,
      )
      expect(failure, 'the mutant survived').toBeInstanceOf(mutant.throws === true ? Error : AssertionError)
    },
  )
})

describe('the intact storage passes where its mutants fail', () => {
  const cases = storageCases({})
  it.each(cases.map(({ name }) => name))('%s', async (name) => {
    await withWorld(
      () => ledgerWorld(new Ledger()),
      (world) => caseNamed(name, cases).run(world),
    )
  })
})
