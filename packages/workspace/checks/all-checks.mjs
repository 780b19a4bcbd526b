import { bundleSizes } from './bundle-sizes.mjs'
import { deadCode } from './dead-code.mjs'
import { licenses } from './licenses.mjs'
import { lint } from './lint.mjs'
import { oldestTypescript } from './oldest-typescript.mjs'
import { packedPackages } from './packed-packages.mjs'
import { prose } from './prose.mjs'
import { typechecks } from './typecheck.mjs'
import { workflows } from './workflows.mjs'

/** Returns all checks, each of which counts as one test. They need an install and a build. */
export function allChecks() {
  return [
    lint,
    prose,
    workflows,
    licenses,
    bundleSizes,
    deadCode,
    ...typechecks(),
    oldestTypescript,
    ...packedPackages(),
  ]
}
