import { deadCode } from './dead-code.mjs'
import { lint } from './lint.mjs'
import { oldestTypescript } from './oldest-typescript.mjs'
import { packedPackages } from './packed-packages.mjs'
import { typechecks } from './typecheck.mjs'

/** Every check, each of which counts as one test. They need an install and a build. */
export function allChecks() {
  return [lint, deadCode, ...typechecks(), oldestTypescript, ...packedPackages()]
}
