import { readObject } from '../../configuration/read-value.ts'
import { JobistemerError } from '../../errors.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import type { JobCatalog, JobInfo } from './job-catalog.ts'
import { pageSize } from './tuning.ts'

/** Selects jobs by a tag, an owner tag, or both. */
export interface JobSelection {
  /** Only jobs with this tag. */
  readonly tag?: string
  /** Only jobs with this owner tag. */
  readonly owner?: string
}

/**
 * Returns the end of a job's pause in epoch milliseconds: infinity for a pause without end, negative infinity without a pause.
 */
export function endOf({ paused }: Pick<JobInfo, 'paused'>): number {
  if (paused === null) return Number.NEGATIVE_INFINITY
  return paused.until?.getTime() ?? Number.POSITIVE_INFINITY
}

/**
 * Returns the names of the selected jobs for which `isWanted` is true, in the order of `jobs()`.
 * @throws JobistemerError `INVALID_ARGUMENT` for a selection without a tag and an owner
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
      remedy: 'Give at least one of them, so that no call affects all jobs by accident.',
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
