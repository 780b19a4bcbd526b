import { deadCode } from './dead-code.mjs'
import { lint } from './lint.mjs'
import { packageCycles } from './package-cycles.mjs'
import { packedPackages } from './packed-packages.mjs'
import { typechecks } from './typecheck.mjs'

/** Every check, each of which counts as one test. They need an install and a build. */
export function allChecks() {
  return [lint, packageCycles, deadCode, ...typechecks(), ...packedPackages()]
}
