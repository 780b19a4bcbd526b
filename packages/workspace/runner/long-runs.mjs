import { check, complaint } from './outcome.mjs'
import { workspacePackages } from './packages.mjs'
import { captureScript } from './pnpm.mjs'

/** Long runs, each as package, script and arguments. A run takes at least a minute on a busy machine. */
const longRuns = /** @type {const} */ ([
  // `--built` skips the build, which would replace files that other runs in progress need.
  ['workspace', 'rehearse', ['--built']],
  ['simulator', 'simulate', ['--seeds', '1000', '--from', '1000']],
  ['simulator', 'simulate', ['--outages', '--seeds', '300', '--from', '1000']],
  ['torture', 'torture', ['--storage', 'sqlite', '--kills', '200']],
  ['torture', 'torture', ['--storage', 'redis', '--kills', '100']],
  ['torture', 'torture', ['--storage', 'redis-cluster', '--kills', '75']],
  ['torture', 'torture', ['--storage', 'postgres', '--kills', '100']],
  ['torture', 'torture', ['completions', '--tries', '30000']],
  ['torture', 'torture', ['--storage', 'dynamodb', '--kills', '40']],
  ['example-nextjs', 'test:production', []],
])

/**
 * Returns the runs that are too long for `npm test`, as steps that count as one test each. They need an install and a
 * build.
 */
export function longRunSteps() {
  const packages = workspacePackages()
  return longRuns.map(([name, script, args]) =>
    check([name, script, ...args].join(' '), async () => {
      const found = packages.find((one) => one.name === `@jobistemer/${name}`)
      if (found === undefined) return `There is no package @jobistemer/${name}.`
      return complaint(await captureScript(found, script, args))
    }),
  )
}
