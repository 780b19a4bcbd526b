import type { JsonValue } from '../json.ts'
import { isNoSchedule, noSchedule } from '../schedule/no-schedule.ts'
import { fingerprintOf } from './fingerprint.ts'
import { type JobDocument, labelsOf, settingsOf, type TaskDocument } from './job-document.ts'

/** One difference between two definitions of a job: the part that differs, with its earlier and its later value. */
export interface ChangedPart {
  /**
   * The name of the part: `schedule`, `task`, `order of tasks`, `tags`, `description`, `owner`, or the name of a setting.
   */
  readonly part: string
  /** The name of the task, if a task differs. */
  readonly task?: string
  /**
   * The value of this part in the earlier definition; `null` if the earlier definition does not have this part. If this part is
   * a task that both definitions have, `before` holds only the members of the task that differ.
   */
  readonly before: JsonValue
  /**
   * The value of this part in the later definition; `null` if the later definition does not have this part. If this part is a
   * task that both definitions have, `after` holds only the members of the task that differ.
   */
  readonly after: JsonValue
}

/** Returns the differences between two stored definitions of a job. */
export function changedPartsBetween(before: JobDocument, after: JobDocument): readonly ChangedPart[] {
  const { schedule, ...others } = differencesOf(partsOf(before), partsOf(after))
  return [
    ...(schedule === undefined ? [] : [{ part: 'schedule', ...schedule }]),
    ...changedTasks(before.tasks, after.tasks),
    ...Object.entries(others).map(([part, values]) => ({ part, ...values })),
  ]
}

type Members = Readonly<Record<string, unknown>>
type Difference = Pick<ChangedPart, 'before' | 'after'>

function partsOf(document: JobDocument): Members {
  const { schedule = noSchedule.toJSON(), owner = null } = document
  return { schedule: isNoSchedule(schedule) ? null : schedule, ...labelsOf(document), owner, ...settingsOf(document) }
}

function differencesOf(before: Members, after: Members): Readonly<Record<string, Difference>> {
  const names = Object.keys({ ...before, ...after })
  const pairs = names.map((name) => [name, { before: jsonOf(before[name]), after: jsonOf(after[name]) }] as const)
  return Object.fromEntries(pairs.filter(([, pair]) => fingerprintOf(pair.before) !== fingerprintOf(pair.after)))
}

/** Returns a member of a stored definition as JSON: `null` for an absent member. */
function jsonOf(member: unknown): JsonValue {
  return (member ?? null) as JsonValue
}

function changedTasks(before: readonly TaskDocument[], after: readonly TaskDocument[]): readonly ChangedPart[] {
  const [old, fresh] = [before, after].map((tasks) => new Map(tasks.map((task) => [task.name, membersOf(task)])))
  const names = new Set([...before, ...after].map(({ name }) => name))
  const changed = [...names].flatMap((task): ChangedPart[] => {
    const [earlier, later] = [old?.get(task), fresh?.get(task)]
    if (earlier === undefined || later === undefined) {
      return [{ part: 'task', task, before: jsonOf(earlier), after: jsonOf(later) }]
    }
    const differences = Object.entries(differencesOf(earlier, later))
    if (differences.length === 0) return []
    const side = (of: 'before' | 'after') => Object.fromEntries(differences.map(([name, pair]) => [name, pair[of]]))
    return [{ part: 'task', task, before: side('before'), after: side('after') }]
  })
  return [...changed, ...changedOrder(before, after)]
}

function membersOf({ name: _, settings, ...rest }: TaskDocument): Members {
  return { ...settings, ...rest }
}

/**
 * Returns a list with the change of the order of tasks; an empty list if the order is the same. Compares only the tasks that
 * both definitions have.
 */
function changedOrder(before: readonly TaskDocument[], after: readonly TaskDocument[]): readonly ChangedPart[] {
  const common = (some: readonly TaskDocument[], others: readonly TaskDocument[]): string[] => {
    const names = new Set(others.map(({ name }) => name))
    return some.map(({ name }) => name).filter((name) => names.has(name))
  }
  const [old, fresh] = [common(before, after), common(after, before)]
  return old.every((name, index) => name === fresh[index])
    ? []
    : [{ part: 'order of tasks', before: old, after: fresh }]
}
