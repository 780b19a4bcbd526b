import type { JobView, TaskOfJob } from '../../wire.ts'
import { Facts, Section } from '../parts/section.tsx'
import { ShownValue } from '../parts/shown-value.tsx'
import { AtAndAgo } from '../parts/time.tsx'
import { duration } from '../times.ts'

/** Shows the current settings and tasks of a job. */
export function JobSettings({ job }: { readonly job: JobView }) {
  return (
    <>
      <Section title="Settings">
        <Facts
          of={{
            Created: <AtAndAgo at={job.createdAt} />,
            Changed: <AtAndAgo at={job.changedAt} />,
            ...Object.fromEntries(
              // Shows the time zone of the schedule, which may differ from the time zone in the settings.
              Object.entries({ ...job.settings, timezone: job.timezone }).map(([name, value]) => [
                titleOf(name),
                textOf(name, value),
              ]),
            ),
          }}
        />
      </Section>
      <Section title="Tasks">
        <ul class="lines tasks">
          {job.tasks.map((task) => (
            <li key={task.name}>
              <span class="line-main">
                <strong dir="auto">{task.name}</strong>
                <span class="quiet">{workOf(task)}</span>
                {task.data !== null && <ShownValue value={task.data} label={`Data of ${task.name}`} />}
              </span>
            </li>
          ))}
        </ul>
      </Section>
    </>
  )
}

function workOf({ handler, isolation }: TaskOfJob): string {
  if (handler !== null) return `handler ${handler}`
  return isolation === null ? 'function of the job' : `module of the job, in a ${isolation}`
}

function titleOf(name: string): string {
  const words = name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function textOf(name: string, value: unknown): string {
  if (value === null) return 'none'
  if (name.endsWith('Ms') && typeof value === 'number') return duration(value)
  if (typeof value === 'object') {
    return Object.entries(value)
      .filter(([, part]) => part !== undefined && part !== null)
      .map(([part, of]) => (part === 'type' ? textOf(part, of) : `${titleOf(part).toLowerCase()} ${textOf(part, of)}`))
      .join(', ')
  }
  return String(value).replaceAll('_', ' ')
}
