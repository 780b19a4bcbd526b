import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm, captureScript, compilerEnvironment } from '../runner/pnpm.mjs'
import { cacheFolder, readJson, root } from '../runner/repository.mjs'

/** @import { Step } from '../runner/outcome.mjs' */
/** @import { WorkspacePackage } from '../runner/packages.mjs' */

const usualScript = 'tsc -p tsconfig.json'

/**
 * Returns the checks of the sources and tests of all packages with a `typecheck` script. Packages with equal compiler
 * options have one check: the compiler reads the declarations that they share once, which takes a third of the processor
 * time.
 * @returns {Step[]}
 */
export function typechecks() {
  /** @type {Map<string, WorkspacePackage[]>} */
  const groups = new Map()
  for (const workspacePackage of workspacePackages()) {
    const script = workspacePackage.manifest.scripts?.typecheck
    if (script === undefined) continue
    const { include, exclude, ...options } = script === usualScript ? settingsOf(workspacePackage) : {}
    const key = script === usualScript ? JSON.stringify(options) : workspacePackage.name
    groups.set(key, [...(groups.get(key) ?? []), workspacePackage])
  }
  return [...groups.values()].map((group) => {
    const [only] = group
    return only !== undefined && group.length === 1 ? separateCheck(only) : jointCheck(group)
  })
}

/** @param {WorkspacePackage} workspacePackage */
function separateCheck(workspacePackage) {
  return check(`types of ${workspacePackage.name}`, async () =>
    complaint(await captureScript(workspacePackage, 'typecheck', ['--singleThreaded'], { env: compilerEnvironment })),
  )
}

/** @param {readonly WorkspacePackage[]} group */
function jointCheck(group) {
  return check(`types of ${group.map(({ path }) => path).join(', ')}`, async () => {
    const [first] = group.map(settingsOf)
    const settings = {
      ...first,
      extends: join(root, 'tsconfig.base.json'),
      include: group.flatMap((member) => pathsIn(member, settingsOf(member).include)),
      exclude: group.flatMap((member) => pathsIn(member, settingsOf(member).exclude ?? ['node_modules'])),
    }
    mkdirSync(cacheFolder, { recursive: true })
    const file = join(cacheFolder, `types-with-${group[0]?.path.split('/')[1]}.json`)
    writeFileSync(file, JSON.stringify(settings))
    const args = ['exec', 'tsc', '-p', file, '--singleThreaded', '--typeRoots', join(root, 'node_modules', '@types')]
    return complaint(await capturePnpm(args, { env: compilerEnvironment }))
  })
}

/** @param {WorkspacePackage} workspacePackage */
function settingsOf({ folder }) {
  return readJson(join(folder, 'tsconfig.json'))
}

/**
 * @param {WorkspacePackage} workspacePackage
 * @param {readonly string[]} paths
 */
function pathsIn({ folder }, paths) {
  return paths.map((path) => join(folder, path))
}
