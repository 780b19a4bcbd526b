import { counted } from '../../output/counted.ts'
import type { Finding } from '../finding.ts'
import { hasEnded } from '../../observe-nodes.ts'
import type { Survey } from '../survey.ts'

/** Reports nodes that sent no heartbeat during the observation. */
export async function nodeSilent({ nodes, running, settings }: Survey): Promise<readonly Finding[]> {
  return nodes
    .filter(({ record, isAlive }) => isAlive === false && !hasEnded(record))
    .map(({ record: { node, incarnation } }) => {
      const owned = running.filter(({ owner }) => owner?.incarnation === incarnation).length
      return {
        code: 'NODE_SILENT',
        severity: 'warning',
        node,
        message: `Node ${node} gave no heartbeat in ${settings.observeMs / 1000} s, and has ${counted(owned, 'run')}.`,
        remedy:
          'Living nodes take over its runs within about a minute. If the node should be up, check its process and its log.',
      }
    })
}
