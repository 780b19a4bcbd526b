import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'

/** One check for each package with a `typecheck` script: its sources and its tests. */
export function typechecks() {
  return workspacePackages()
    .filter(({ manifest }) => manifest.scripts?.typecheck !== undefined)
    .map(({ name, folder }) =>
      check(`types of ${name}`, async () =>
        complaint(await capturePnpm(['--silent', 'run', 'typecheck'], { cwd: folder })),
      ),
    )
}
