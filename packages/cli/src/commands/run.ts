import type { AttemptReport, Occurrence, TaskReport } from '@jobistemer/core'
import type { ErrorRecord } from '@jobistemer/core/storage'
import type { Command, Context } from '../command.ts'
import { counted } from '../output/counted.ts'
import { whyOf } from '@jobistemer/core'
import { joined, type Part, text } from '../output/rendered.ts'
import { tookOf } from '../output/runs-table.ts'
import { stateCell } from '../output/states.ts'
import { duration } from '../output/times.ts'
import { runOf } from '../run-of.ts'

/** `jobistemer run`. */
export const run: Command = {
  description: 'Shows one run: the reason for its state, its tasks, attempts, errors with stacks, and results.',
  arguments: '<run>',
  examples: [['run occ_2b7d…', 'ids are in history, failures and explain']],
  async run(context: Context, [id = '']) {
    const { job, occurrence } = await runOf(context, id)
    if (context.out.isJson) return context.out.json({ job, why: whyOf(occurrence), occurrence })
    printRun(context, job, occurrence)
  },
}

/** Prints the details of a run as text for people. */
export function printRun(context: Context, job: string | null, occurrence: Occurrence): void {
  const { out, times, now } = context
  const { span, cancelRequest, input } = occurrence
  out.fields([
    ['run', occurrence.id],
    [
      'job',
      job === null
        ? text`${occurrence.jobId} (deleted)`
        : text`${out.styles.bold(job)}, version ${occurrence.jobVersion}`,
    ],
    ['state', styled(context, occurrence.state)],
    ['why', whyOf(occurrence)],
    ['reason', occurrence.reason],
    ['kind', text`${occurrence.kind}${occurrence.recovered ? ', recovered' : ''}`],
    ['slot', occurrence.slot === null ? null : times.full(occurrence.slot)],
    ['scheduled', times.full(occurrence.scheduledAt)],
    ['priority', occurrence.priority === 0 ? null : String(occurrence.priority)],
    [
      'stands for',
      span === null ? null : text`${span.count} slots from ${times.at(span.from)} to ${times.at(span.to)}`,
    ],
    ['created', times.full(occurrence.createdAt)],
    ['started', occurrence.startedAt === null ? null : times.full(occurrence.startedAt)],
    ['finished', occurrence.finishedAt === null ? null : times.full(occurrence.finishedAt)],
    ['took', tookOf(occurrence, now()) || null],
    ['node', occurrence.node === null ? null : text`${occurrence.node}, owner ${occurrence.fencingToken} of this run`],
    [
      'taken over',
      occurrence.rescues === 0 ? null : text`${counted(occurrence.rescues, 'time')}, from a node that was gone`,
    ],
    ['replay of', occurrence.replayOf],
    ['backfill', occurrence.backfill?.key ?? null],
    ['key', occurrence.requestKey],
    ['asked by', occurrence.requestActor],
    ['asked why', occurrence.requestReason],
    ['input', input === undefined ? null : JSON.stringify(input)],
    ['cancel', cancelRequest === null ? null : cancelText(context, cancelRequest)],
  ])
  for (const task of occurrence.tasks) printTask(context, task)
}

function cancelText({ times }: Context, { at, reason, actor }: NonNullable<Occurrence['cancelRequest']>): Part {
  return text`asked for ${times.full(at)}${actor === null ? '' : ` by ${actor}`}: ${reason}`
}

function printTask(context: Context, task: TaskReport): void {
  const { out } = context
  const took = task.durationMs === null ? '' : ` in ${duration(task.durationMs)}`
  const reason = task.reason === null ? '' : ` (${task.reason})`
  out.line()
  out.line(text`${out.styles.bold(task.name)}  ${styled(context, task.state)}${reason}${took}`)
  let before = 0
  for (const attempt of task.attempts) {
    const left = attempt.number - before - 1
    if (left > 0) out.line(text`  … ${left} attempts that are not kept`)
    before = attempt.number
    printAttempt(context, attempt)
  }
  if (task.result !== undefined) out.block(`result ${JSON.stringify(task.result)}`, '  ')
}

function printAttempt(context: Context, attempt: AttemptReport): void {
  const { out, times } = context
  const { number, state, startedAt, durationMs, error, reason, progress, logs, droppedLogs } = attempt
  const took = durationMs === null ? '' : ` after ${duration(durationMs)}`
  const why = reason === null ? '' : ` (${reason})`
  out.line(text`  attempt ${number}  ${times.at(startedAt)}  ${styled(context, state)}${why}${took}`)
  if (progress !== null) {
    const message = progress.message === null ? '' : `: ${progress.message}`
    out.line(text`    ${Math.floor(progress.fraction * 100)} % at ${times.at(progress.at)}${message}`)
  }
  if (droppedLogs > 0) out.line(text`    … ${counted(droppedLogs, 'line')} before, not kept`)
  for (const { at, level, message, fields, isCut } of logs) {
    const more = `${isCut ? '…' : ''}${fields === null ? '' : ` ${JSON.stringify(fields)}`}`
    out.line(text`    ${times.at(at)}  ${level}  ${message}${more}`)
  }
  if (error !== null) printErrorRecord(context, error, '    ')
}

function printErrorRecord({ out }: Context, error: ErrorRecord, indentation: string): void {
  const head = `${error.name}: ${error.message}${error.code === undefined ? '' : ` (${error.code})`}`
  // Most stacks begin with the name and message of the error. For such a stack, the program prints no separate line with the
  // name and message.
  const stack = error.stack ?? ''
  const hasHead = stack.startsWith(`${error.name}: ${error.message}`) || stack.startsWith(error.message)
  out.block(hasHead ? (error.code === undefined ? stack : `${stack}\ncode: ${error.code}`) : head, indentation)
  if (!hasHead && stack !== '') out.block(stack, `${indentation}  `)
  if (error.cause !== undefined) {
    out.line(joined([indentation, 'caused by']))
    printErrorRecord({ out } as Context, error.cause, `${indentation}  `)
  }
  for (const [index, one] of (error.errors ?? []).entries()) {
    out.line(joined([indentation, `error ${index + 1}`]))
    printErrorRecord({ out } as Context, one, `${indentation}  `)
  }
}

function styled({ out }: Context, state: Parameters<typeof stateCell>[0]): Part {
  const { text: name, style } = stateCell(state, out.styles)
  return style === undefined ? name : style(name)
}
