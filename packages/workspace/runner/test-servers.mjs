import { join } from 'node:path'
import { check, complaint } from './outcome.mjs'
import { workspaceDependencies } from './packages.mjs'
import { root } from './repository.mjs'
import { capture } from './run-process.mjs'

/** @import { WorkspacePackage } from './packages.mjs' */

const packageName = '@jobistemer/test-servers'

/**
 * Returns whether the tests of a package start servers.
 * @param {Pick<WorkspacePackage, 'name' | 'manifest'>} workspacePackage
 */
export function needsServers({ name, manifest }) {
  return name === packageName || workspaceDependencies(manifest).includes(packageName)
}

/** Returns the step that finds the server programs that tests start, and installs missing ones. */
export function testServers() {
  const program = join(root, 'packages/test-servers/dist/ensure-servers.js')
  return check('servers that the tests need', async () => complaint(await capture(process.execPath, [program])))
}
