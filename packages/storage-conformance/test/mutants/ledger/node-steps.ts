import type {
  HeartbeatAnswer,
  HeartbeatRequest,
  NodeAtCounter,
  NodeProfile,
  NodeRecord,
} from '@jobistemer/core/storage'
import { isNewsOf } from '@jobistemer/core/storage'
import { OccurrenceSteps } from './occurrence-steps.ts'

/** The steps on node records and profiles. */
export class NodeSteps extends OccurrenceSteps {
  readonly nodes: Map<string, NodeRecord> = new Map()
  readonly profiles: Map<string, NodeProfile> = new Map()

  heartbeat({ own, profile, remove, profilesOf }: HeartbeatRequest): HeartbeatAnswer {
    for (const node of remove) this.removeNode(node)
    if (own !== null && this.isNews(own)) {
      this.putNode(own)
      this.putProfile(own, profile)
    }
    return {
      nodes: this.listNodes(),
      profiles: profilesOf.map((incarnation) => this.profiles.get(incarnation) ?? null),
    }
  }

  isNews(own: NodeRecord): boolean {
    return isNewsOf(this.nodes.get(own.incarnation) ?? null, own)
  }

  putNode(own: NodeRecord): void {
    this.nodes.set(own.incarnation, own)
  }

  putProfile({ incarnation }: NodeRecord, profile: NodeProfile | undefined): void {
    if (profile !== undefined) this.profiles.set(incarnation, profile)
  }

  removeNode({ incarnation, counter }: NodeAtCounter): void {
    if (this.nodes.get(incarnation)?.counter === counter) this.dropNode(incarnation)
  }

  dropNode(incarnation: string): void {
    this.nodes.delete(incarnation)
    this.profiles.delete(incarnation)
  }

  listNodes(): NodeRecord[] {
    return [...this.nodes.values()].sort((left, right) => (left.incarnation < right.incarnation ? -1 : 1))
  }
}
