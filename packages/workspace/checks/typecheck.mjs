import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { captureScript } from '../runner/pnpm.mjs'

/** One check for each package with a `typecheck` script: its sources and its tests. */
export function typechecks() {
  return workspacePackages()
    .filter(({ manifest }) => manifest.scripts?.typecheck !== undefined)
    .map((workspacePackage) =>
      check(`types of ${workspacePackage.name}`, async () =>
        complaint(await captureScript(workspacePackage, 'typecheck')),
      ),
    )
}
