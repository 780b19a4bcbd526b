import type { JobView, VersionView } from '../../wire.ts'
import { Loaded } from '../parts/loaded.tsx'
import { Section } from '../parts/section.tsx'
import { AtAndAgo } from '../parts/time.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'

/** Shows the versions of a job, with the changes of each version. */
export function JobVersions({ job }: { readonly job: JobView }) {
  const versions = useResource<readonly VersionView[]>(pathOf('/api/versions', { job: job.name }), { on: ['jobs'] })
  return (
    <Loaded of={versions}>
      {(found) => (
        <>
          {found.map((version, index) => (
            <Section
              key={version.version}
              title={`Version ${version.version}${index === 0 ? ', in force' : ''}`}
              aside={<AtAndAgo at={version.createdAt} />}
            >
              <Said by={version.actor} why={version.reason} />
              <Changes of={version} />
            </Section>
          ))}
        </>
      )}
    </Loaded>
  )
}

function Said({ by, why }: { readonly by: string | null; readonly why: string | null }) {
  if (by === null && why === null) return null
  return (
    <p class="quiet">
      {by !== null && `Updated by ${by}. `}
      {why !== null && `Reason: ${why}`}
    </p>
  )
}

function Changes({ of: { version, isFirstKnown, changes } }: { readonly of: VersionView }) {
  if (version === 1) return <p class="empty">The first.</p>
  if (isFirstKnown) return <p class="empty">The version before it is not kept.</p>
  if (changes.length === 0) return <p class="empty">No difference.</p>
  return (
    <ul class="changes">
      {changes.map(({ name, before, after }) => (
        <li key={name}>
          <h3>{name}</h3>
          <div class="difference">
            <pre class="before" tabIndex={0} role="group" aria-label={`${name} before`}>
              {before}
            </pre>
            <pre class="after" tabIndex={0} role="group" aria-label={`${name} after`}>
              {after}
            </pre>
          </div>
        </li>
      ))}
    </ul>
  )
}
