import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { captureScript, compilerEnvironment } from '../runner/pnpm.mjs'

/** Returns a check of sources and tests for each package with a `typecheck` script. */
export function typechecks() {
  return workspacePackages()
    .filter(({ manifest }) => manifest.scripts?.typecheck !== undefined)
    .map((workspacePackage) =>
      check(`types of ${workspacePackage.name}`, async () =>
        complaint(
          await captureScript(workspacePackage, 'typecheck', ['--singleThreaded'], { env: compilerEnvironment }),
        ),
      ),
    )
}
