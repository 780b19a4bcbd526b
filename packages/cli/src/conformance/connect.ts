import type { Storage } from '@jobistemer/core/storage'
import type { Location } from '../storage/location.ts'
import { openStorage } from '../storage/open-storage.ts'

/** The parameters that the kit gives to a child process. */
export interface ConnectArgument {
  readonly location: Location
  readonly prefix: string | null
  readonly cwd: string
  readonly folder: string
  readonly timeoutMs: number
}

/** Called by child processes of the storage conformance kit: one more connection to the data of a case. */
export function connect({ prefix, location, ...options }: ConnectArgument): Promise<Storage> {
  const logger = { warn: () => undefined }
  return openStorage(location, { ...options, prefix: prefix ?? undefined, logger, isNew: true })
}
