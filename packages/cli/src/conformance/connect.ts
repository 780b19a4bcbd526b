import type { Storage } from '@jobistemer/core/storage'
import type { Location } from '../storage/location.ts'
import { openStorage } from '../storage/open-storage.ts'

/** The JSON value that the conformance kit passes to `connect` in a child process. */
export interface ConnectArgument {
  readonly location: Location
  readonly prefix: string | null
  readonly cwd: string
  readonly folder: string
  readonly timeoutMs: number
}

/** Opens another connection to the data of a conformance case. Child processes of the conformance kit call this function. */
export function connect({ prefix, location, ...options }: ConnectArgument): Promise<Storage> {
  const logger = { warn: () => undefined }
  return openStorage(location, { ...options, prefix: prefix ?? undefined, logger, isNew: true })
}
