import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'
import { root } from '../runner/repository.mjs'
import { tarballFiles } from './tarball.mjs'

/** Maximum size of an unpacked package, in bytes. Core is the largest package that every user installs. */
const largestSize = 2_000_000

/** The ways to resolve imports that the packages do not support, because the packages have only ES modules. */
const unsupported = ['node10', 'node16-cjs']

/** Returns a check for each publishable package: publint and @arethetypeswrong/core inspect the package's tarball. */
export function packedPackages() {
  const packages = workspacePackages().filter(({ publishable }) => publishable)
  /** @type {ReturnType<typeof pack> | undefined} */
  let packing
  return packages.map(({ name }) =>
    check(`published form of ${name}`, async () => {
      packing ??= pack(packages)
      const { problem, tarballs } = await packing
      return problem ?? (await inspect(/** @type {Buffer} */ (tarballs.get(name))))
    }),
  )
}

/**
 * Packs all packages with one process of pnpm. Several processes would take longer.
 * @param {readonly import('../runner/packages.mjs').WorkspacePackage[]} packages
 */
async function pack(packages) {
  const temporary = mkdtempSync(join(tmpdir(), 'jobistemer-pack-'))
  try {
    // Install scripts are off, because a second build would rewrite `dist` while other tests import it.
    const env = { npm_config_ignore_scripts: 'true' }
    const filters = packages.map(({ name }) => `--filter=${name}`)
    const args = ['--recursive', ...filters, 'pack', '--pack-destination', temporary]
    const packed = await capturePnpm(args, { cwd: root, env })
    const problem = complaint(packed)
    const tarballs = new Map()
    if (problem === undefined) {
      for (const { name, manifest } of packages) {
        const file = `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
        tarballs.set(name, readFileSync(join(temporary, file)))
      }
    }
    return { problem, tarballs }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** @param {Buffer} tarball */
async function inspect(tarball) {
  const files = tarballFiles(tarball)
  const problems = [
    strayFiles(files.map(({ path }) => path)),
    tooLarge(files),
    ...(await publishingProblems(tarball)),
    ...(await typeProblems(tarball)),
  ]
  return problems.filter(Boolean).join('\n') || undefined
}

/**
 * Returns what publint reports about a tarball, suggestions included.
 * @param {Buffer} tarball
 */
export async function publishingProblems(tarball) {
  // This function loads its tools itself. The runner imports this module in a fresh clone, before the tools are
  // installed.
  const { publint } = await import('publint')
  const { formatMessage } = await import('publint/utils')
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true })
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code)
}

/**
 * Returns what @arethetypeswrong/core reports about the declarations in a tarball.
 * @param {Buffer} tarball
 */
export async function typeProblems(tarball) {
  const { checkPackage, createPackageFromTarballData } = await import('@arethetypeswrong/core')
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)))
  if (!analysis.types) return ['The package has no types.']
  return analysis.problems
    .filter((problem) => !('resolutionKind' in problem && unsupported.includes(problem.resolutionKind)))
    .map((problem) => JSON.stringify(problem))
}

/**
 * Returns a text that names the files which a tarball lacks, and the files which it must not contain. Returns undefined
 * if there are none.
 * @param {readonly string[]} paths the paths in a tarball
 * @returns {string | undefined}
 */
export function strayFiles(paths) {
  const needed = ['package.json', 'LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts']
  const missing = needed.filter((path) => !paths.includes(path)).map((path) => `${path} is missing.`)
  const stray = paths
    .filter(
      (path) =>
        !/^dist\/.+\.(js|d\.ts|txt)$|^docs\/|^schema\/[\w-]+\.json$|^(package\.json|LICENSE|README\.md|CHANGELOG\.md)$/.test(
          path,
        ),
    )
    .map((path) => `${path} does not belong there.`)
  return [...missing, ...stray].join('\n') || undefined
}

/**
 * Returns a problem if the files of a tarball exceed the size limit; undefined without a problem.
 * @param {readonly { size: number }[]} files
 * @returns {string | undefined}
 */
export function tooLarge(files) {
  const size = files.reduce((sum, file) => sum + file.size, 0)
  return size > largestSize ? `${size} bytes unpacked; the limit is ${largestSize}.` : undefined
}
