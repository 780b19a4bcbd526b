import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DeclaredCapabilities, SkippedCase, StorageWorld } from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'
import { importModule } from '../storage/import-module.ts'

/** The exports of an adapter module. Each export has the meaning of the option of `storageConformance()` with the same name. */
export interface AdapterModule {
  readonly open: () => StorageWorld | Promise<StorageWorld>
  /** Capabilities that the adapter declares. Default: the capabilities of a storage that the module opens. */
  readonly capabilities?: DeclaredCapabilities
  readonly skip?: readonly SkippedCase[]
}

const field = 'MODULE'

/**
 * Imports an adapter module.
 * @throws CliError if the module does not exist, or lacks an export
 */
export async function readAdapterModule(path: string, cwd: string): Promise<AdapterModule> {
  const file = resolve(cwd, path)
  if (!existsSync(file)) throw invalid('MODULE_MISSING', `There is no file ${file}.`)
  const exported = await importModule(file, field)
  const whole = typeof exported.default === 'object' && exported.default !== null ? exported.default : exported
  const { open, capabilities, skip } = whole as Partial<AdapterModule>
  if (typeof open !== 'function') throw invalid('INVALID_MODULE', `${file} exports no function open.`)
  if (capabilities !== undefined && (typeof capabilities !== 'object' || capabilities === null)) {
    throw invalid('INVALID_MODULE', `${file} exports capabilities that are no object.`)
  }
  if (skip !== undefined && !Array.isArray(skip))
    throw invalid('INVALID_MODULE', `${file} exports a skip that is no list.`)
  return { open, ...(capabilities !== undefined && { capabilities }), ...(skip !== undefined && { skip }) }
}

function invalid(code: string, message: string): CliError {
  return new CliError({
    code,
    field,
    message,
    remedy:
      'Give a module that exports open, and if need be capabilities and skip, as storageConformance() takes them.',
  })
}
