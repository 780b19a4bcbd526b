import { useState } from 'preact/hooks'
import type { JobView } from '../../wire.ts'
import { now } from '../browser-clock.ts'
import { Link } from '../location.tsx'
import { CancelSlot } from '../parts/actions.tsx'
import { Calendar } from '../parts/calendar.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { ActionForm } from '../parts/form.tsx'
import { Section } from '../parts/section.tsx'
import { AtAndAgo, useZone } from '../parts/time.tsx'
import { pathOf, read } from '../request.ts'
import { useResource } from '../resource.ts'
import { fieldTime } from '../times.ts'

const listed = 12
const most = 500

interface Explained {
  readonly at: string
  readonly verdict: string
  readonly reason: string
  readonly run: string | null
  readonly nearest: { readonly before: string | null; readonly after: string | null } | null
}

export function JobUpcoming({ job }: { readonly job: JobView }) {
  const next = useResource<readonly string[]>(pathOf('/api/next', { job: job.name, count: most }), {
    on: ['jobs', 'runs'],
  })
  return (
    <>
      <Loaded of={next}>
        {(slots) =>
          slots.length === 0 ? (
            <Section title="Slots">
              <Empty>
                {job.schedule === null || job.schedule === 'on request'
                  ? 'This job has no slots. It runs on request.'
                  : 'This job has no further slots.'}
              </Empty>
            </Section>
          ) : (
            <>
              <Section title="Calendar">
                <Calendar slots={slots} isPart={slots.length === most} />
              </Section>
              <Section title="Next slots">
                <ul class="lines">
                  {slots.slice(0, listed).map((at) => (
                    <li key={at}>
                      <span class="line-main">
                        <AtAndAgo at={at} />
                      </span>
                      {job.rights.cancelSlot && <CancelSlot job={job.name} at={at} reload={next.reload} />}
                    </li>
                  ))}
                </ul>
              </Section>
            </>
          )
        }
      </Loaded>
      <Explain job={job} />
    </>
  )
}

function Explain({ job }: { readonly job: JobView }) {
  const zone = useZone()
  const [found, setFound] = useState<Explained | null>(null)
  return (
    <Section title="Explain an instant">
      <ActionForm
        fields={[
          {
            name: 'at',
            label: 'Instant',
            kind: 'instant',
            value: fieldTime(job.nextAt === null ? now() : Date.parse(job.nextAt), zone),
            hint: 'Shows what happens at this instant, and why.',
            required: true,
          },
        ]}
        submit="Explain"
        cancel="Clear"
        onCancel={() => setFound(null)}
        onSubmit={async ({ at }) => {
          setFound(await read<Explained>(pathOf('/api/explain', { job: job.name, at: String(at ?? '') })))
        }}
      />
      {found !== null && (
        <p class="callout" role="status">
          <strong>{found.verdict.replaceAll('_', ' ')}.</strong> <span dir="auto">{found.reason}</span>{' '}
          {found.nearest !== null && (
            <>
              The slot before: <AtAndAgo at={found.nearest.before} none="none" />. The slot after:{' '}
              <AtAndAgo at={found.nearest.after} none="none" />.
            </>
          )}
          {found.run !== null && (
            <Link to="/run" query={{ run: found.run }}>
              The run
            </Link>
          )}
        </p>
      )}
    </Section>
  )
}
