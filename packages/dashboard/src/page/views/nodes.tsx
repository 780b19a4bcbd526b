import type { NodeInfo } from '@jobistemer/core'
import type { Wire } from '../../wire.ts'
import { Link } from '../location.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Heading } from '../parts/section.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Ago, AtAndAgo } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { duration } from '../times.ts'

/** The page with the living, leaving and dead nodes. */
export function Nodes() {
  const nodes = useResource<readonly Wire<NodeInfo>[]>('/api/nodes', { on: ['nodes'], everyMs: 5000 })
  return (
    <>
      <Heading title="Nodes" />
      <Loaded of={nodes}>
        {(found) =>
          found.length === 0 ? (
            <div class="card">
              <Empty>No node is known: start a scheduler on this storage.</Empty>
            </div>
          ) : (
            <div class="card table-box" role="region" aria-label="Nodes" tabIndex={0}>
              <table>
                <caption class="hidden-text">Nodes</caption>
                <thead>
                  <tr>
                    <th scope="col">Node</th>
                    <th scope="col">State</th>
                    <th scope="col">Running</th>
                    <th scope="col">Heard</th>
                    <th scope="col" class="wide-only">
                      Started
                    </th>
                    <th scope="col" class="wide-only">
                      Where
                    </th>
                    <th scope="col" class="wide-only">
                      Versions
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {found.map((node) => (
                    <NodeRow key={node.incarnation} node={node} />
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
    </>
  )
}

function NodeRow({ node }: { readonly node: Wire<NodeInfo> }) {
  const { state, dead, running, maxConcurrentJobs, silentForMs, versions } = node
  const isOver = state === 'ended' || state === 'dead'
  return (
    <tr>
      <td class="name-cell">
        <Link to="/queue" query={{ state: 'running', node: node.node }}>
          <bdi>{node.node}</bdi>
        </Link>
      </td>
      <td>
        <StateBadge state={state} />
        {dead !== null && (
          <div class="quiet">
            since <AtAndAgo at={dead.since} />
            {dead.takenOverBy !== null && (
              <>
                , runs taken over by <bdi>{dead.takenOverBy}</bdi>
              </>
            )}
          </div>
        )}
      </td>
      <td class="number">
        {isOver ? (
          <span class="quiet">–</span>
        ) : (
          <span class="meter-line">
            <meter
              aria-label={`${node.node}: ${running} of ${maxConcurrentJobs} places taken`}
              min={0}
              max={maxConcurrentJobs}
              value={running}
            />
            {running}/{maxConcurrentJobs}
          </span>
        )}
      </td>
      <td class="number">
        {isOver || silentForMs === null ? <span class="quiet">–</span> : `${duration(silentForMs)} ago`}
      </td>
      <td class="wide-only">
        <Ago at={node.startedAt} />
      </td>
      <td class="wide-only break">
        {node.host}, process {node.pid}
      </td>
      <td class="wide-only quiet">
        Jobistemer {versions.jobistemer}, Node {versions.node}, time zones {versions.timeZones}
      </td>
    </tr>
  )
}
