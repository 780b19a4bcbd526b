import { readObject } from '../../configuration/read-value.ts'
import { JobistemerError } from '../../errors.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import type { JobCatalog, JobInfo } from './job-catalog.ts'
import { pageSize } from './tuning.ts'

/** Which jobs a call is about: those of a tag, of an owner, or of both. */
export interface JobSelection {
  /** Only those with this tag. */
  readonly tag?: string
  /** Only those with this owner tag. */
  readonly owner?: string
}

/** When a job's pause ends: infinite when it is to be resumed, before all time when it is not paused. */
export function endOf({ paused }: Pick<JobInfo, 'paused'>): number {
  if (paused === null) return Number.NEGATIVE_INFINITY
  return paused.until?.getTime() ?? Number.POSITIVE_INFINITY
}

/**
 * The names of the jobs that are selected and wanted, in the order of the storage.
 * @throws JobistemerError `INVALID_ARGUMENT` for a selection that says nothing
 */
export async function namesOf(
  selection: JobSelection,
  catalog: JobCatalog,
  { asked, now, ...only }: { readonly asked: CallerContext; readonly now: number; readonly paused?: boolean },
  isWanted: (job: JobInfo) => boolean = () => true,
): Promise<readonly string[]> {
  readObject(selection, 'filter', ['tag', 'owner'])
  if (selection.tag === undefined && selection.owner === undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: 'filter names neither a tag nor an owner.',
      field: 'filter',
      value: selection,
      remedy: 'Give at least one of them: all jobs are not meant by accident.',
    })
  }
  const names: string[] = []
  let cursor: string | null = null
  do {
    const page = await catalog.jobs({ ...selection, ...only, limit: pageSize, cursor }, {}, asked, now)
    names.push(...page.items.filter(isWanted).map(({ name }) => name))
    cursor = page.cursor
  } while (cursor !== null)
  return names
}
