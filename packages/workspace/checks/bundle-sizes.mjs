import { check } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'

/**
 * Maximum size of each entry point in kB: a minified bundle with everything that the entry point imports from its own
 * package. If a change needs more space, raise the limit in the commit of this change.
 * @type {Readonly<Record<string, number>>}
 */
const limits = {
  '@jobistemer/cli': 195,
  '@jobistemer/core': 350,
  '@jobistemer/core/schedule': 10,
  '@jobistemer/core/storage': 64,
  '@jobistemer/core/testing': 350,
  '@jobistemer/dashboard': 110,
  '@jobistemer/dashboard/express': 2,
  '@jobistemer/dashboard/fastify': 2,
  '@jobistemer/dashboard/hono': 1,
  '@jobistemer/dashboard/next': 1,
  '@jobistemer/dashboard/node': 1,
  '@jobistemer/fastify': 6,
  '@jobistemer/metrics-prometheus': 9,
  '@jobistemer/nestjs': 11,
  '@jobistemer/nestjs/testing': 1,
  '@jobistemer/opentelemetry': 14,
  '@jobistemer/storage-conformance': 340,
  '@jobistemer/storage-conformance/seeded-random': 1,
  '@jobistemer/storage-dynamodb': 82,
  '@jobistemer/storage-memory': 18,
  '@jobistemer/storage-postgres': 105,
  '@jobistemer/storage-redis': 170,
  '@jobistemer/storage-sqlite': 80,
  '@jobistemer/ticker-cron': 27,
  '@jobistemer/ticker-iso8601': 10,
  '@jobistemer/ticker-once': 2,
}

export const bundleSizes = check('size of each entry point', async () => {
  const entries = workspacePackages()
    .filter(({ publishable }) => publishable)
    .flatMap(({ name, folder, manifest }) =>
      Object.entries(manifest.exports).map(([path, target]) => ({ entry: `${name}${path.slice(1)}`, folder, target })),
    )
  const sizes = await Promise.all(
    entries.map(
      async ({ entry, folder, target }) => /** @type {const} */ ([entry, await sizeOf(folder, target.default)]),
    ),
  )
  return offLimits(Object.fromEntries(sizes), limits)
})

/**
 * Returns the size of the minified bundle of an entry point, in bytes.
 * @param {string} folder of a package
 * @param {string} file
 * @returns {Promise<number>}
 */
async function sizeOf(folder, file) {
  // esbuild is loaded here, because the commands load this module before they install the dependencies.
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: [file],
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // The bundle leaves out dependencies, because they are not a package's own code.
    packages: 'external',
  })
  return outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)
}

/**
 * Returns the problems: entry points that exceed their limit, that have no limit, or that do not exist.
 * @param {Readonly<Record<string, number>>} sizes in bytes
 * @param {Readonly<Record<string, number>>} kilobytes the limits
 * @returns {string | undefined}
 */
export function offLimits(sizes, kilobytes) {
  const problems = Object.entries(sizes).flatMap(([entry, size]) => {
    const limit = kilobytes[entry]
    if (limit === undefined) return [`${entry} has ${size} bytes and no limit.`]
    return size > limit * 1000 ? [`${entry} has ${size} bytes; the limit is ${limit} kB.`] : []
  })
  const gone = Object.keys(kilobytes).filter((entry) => !(entry in sizes))
  return [...problems, ...gone.map((entry) => `${entry} has a limit, but does not exist.`)].join('\n') || undefined
}
