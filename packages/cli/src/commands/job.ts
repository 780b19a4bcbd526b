import type { JobInfo } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { shellWord } from '../shell-word.ts'
import { settingTexts } from '../output/settings.ts'

/** `jobistemer job`. */
export const job: Command = {
  description: 'Shows one job: its schedule, its settings, its tasks, and how many of its runs wait and run.',
  arguments: '<name>',
  examples: [['job nightly-report', 'everything about it']],
  async run(context: Context, [name = '']) {
    const info = await jobOf(context, name)
    if (context.out.isJson) return context.out.json({ job: info })
    const { out, times } = context
    const { counts, lastRun, lastSuccessAt, paused, resumed, silentSince } = info
    out.fields([
      ['job', out.styles.bold(info.name)],
      ['id', info.id],
      ['for', info.description],
      ['owner', info.owner],
      ['tags', info.tags.length === 0 ? null : info.tags.join(', ')],
      ['version', text`${info.version}, changed ${times.full(info.changedAt)}`],
      ['created', times.full(info.createdAt)],
      ['schedule', info.scheduleDescription ?? scheduleText(info)],
      ['next', info.nextAt === null ? 'never' : times.full(info.nextAt)],
      ['paused', paused === null ? null : out.styles.yellow(text`since ${times.full(paused.at)}`)],
      ['until', paused === null || paused.until === null ? null : out.styles.yellow(times.full(paused.until))],
      ['resumed', paused !== null || resumed === null ? null : times.full(resumed.at)],
      ['reason', (paused ?? resumed)?.reason ?? null],
      ['by', (paused ?? resumed)?.actor ?? null],
      [
        'last run',
        lastRun === null
          ? 'none'
          : text`${lastRun.state}, ${times.full(lastRun.slot ?? lastRun.scheduledAt)}, ${lastRun.id}`,
      ],
      ['last success', lastSuccessAt === null ? null : times.full(lastSuccessAt)],
      ['silent', silentSince === null ? null : out.styles.red(text`since ${times.full(silentSince)}`)],
      ['code', info.hasCode === false ? out.styles.red(noCode(info.name)) : null],
      ['live', text`${counts.running} running, ${counts.pending} pending, ${counts.queued} queued`],
    ])
    out.line()
    out.fields(settingTexts(info.settings))
    out.line()
    await out.table(
      [{ title: 'TASK' }, { title: 'RUNS' }, { title: 'DATA', shrinks: true }],
      info.tasks.map(({ name: task, handler, data, isolation }) => [
        task,
        workOf(handler, isolation),
        data === undefined ? '' : JSON.stringify(data),
      ]),
    )
  },
}

function noCode(name: string): string {
  return `no code: no living node can run it. If it was removed or renamed: jobistemer remove ${shellWord(name)}`
}

function scheduleText({ schedule }: JobInfo): string {
  return schedule === null ? 'none' : JSON.stringify(schedule)
}

function workOf(handler: string | null, isolation: string | null): string {
  if (handler !== null) return `handler ${handler}`
  return isolation === null ? 'function of the job' : `module of the job, in a ${isolation}`
}
