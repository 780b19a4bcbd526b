import type {
  HeartbeatRequest,
  NodeAtCounter,
  NodeProfile,
  NodeRecord,
  OccurrenceQuery,
  Storage,
} from '@jobistemer/core/storage'
import { Ledger, letOthersGo, type Mutant, mutant, mutantFor, racing } from './mutant.ts'

const lost =
  'races of heartbeats: no node that lives is lost, and none shows the counter of another, while others remove what they take for dead'

/** Faults in what nodes say of themselves. */
export const nodeMutants: readonly Mutant[] = [
  mutant(
    'lists the runs of a node only while it has a record',
    [
      'heartbeat: a run outlives the node record of its owner: it is listed, with and without its node, and can be reaped',
    ],
    class extends Ledger {
      readonly #gone = new Set<string>()
      override dropNode(incarnation: string) {
        this.#gone.add(incarnation)
        super.dropNode(incarnation)
      }
      override listOccurrences(query: OccurrenceQuery) {
        const page = super.listOccurrences(query)
        return {
          ...page,
          items: page.items.filter(({ owner }) => owner === null || !this.#gone.has(owner.incarnation)),
        }
      }
    },
  ),
  mutant(
    'keeps one record for each name of a node',
    ['heartbeat: two lives of one node stand side by side'],
    class extends Ledger {
      override putNode(own: NodeRecord) {
        for (const [incarnation, { node }] of this.nodes) if (node === own.node) this.dropNode(incarnation)
        super.putNode(own)
      }
    },
  ),
  mutantFor(
    ['heartbeat: many nodes are all listed, each once, by their incarnations'],
    'lists the first page of nodes only',
    class extends Ledger {
      override listNodes() {
        return super.listNodes().slice(0, 100)
      }
    },
  ),
  mutant(
    'lists nodes in the order in which they came',
    ['heartbeat: many nodes are all listed, each once, by their incarnations'],
    class extends Ledger {
      override listNodes() {
        return [...this.nodes.values()]
      }
    },
  ),
  racing('reads all nodes, and writes them back with its own', [lost], (ledger) => ({
    async heartbeat(request) {
      const before = [...ledger.nodes]
      await letOthersGo()
      ledger.nodes.clear()
      for (const [incarnation, record] of before) ledger.nodes.set(incarnation, record)
      return ledger.heartbeat(request)
    },
  })),
  racing(
    'looks at the counter, and removes later',
    ['races of heartbeats: a heartbeat and a removal by the counter before it meet, and who lives stays'],
    looksAndRemovesLater,
  ),
  mutant(
    'takes smaller counters too',
    ['heartbeat: the same counter again and a smaller one change nothing'],
    class extends Ledger {
      override isNews() {
        return true
      }
    },
  ),
  mutantFor(
    ['heartbeat: the same counter again and a smaller one change nothing'],
    'takes the same counter again',
    class extends Ledger {
      override isNews(own: NodeRecord) {
        return super.isNews({ ...own, counter: own.counter + 1 })
      }
    },
  ),
  mutantFor(
    ['heartbeat: the same counter again and a smaller one change nothing'],
    'takes the profile of a heartbeat that came late',
    class extends Ledger {
      override heartbeat(request: HeartbeatRequest) {
        if (request.own !== null && !this.isNews(request.own)) this.putProfile(request.own, request.profile)
        return super.heartbeat(request)
      }
    },
  ),
  mutant(
    'removes whatever the counter',
    [
      'heartbeat: a removal with another counter than the stored one removes nothing',
      'heartbeat: several are removed in one call, each by its own counter',
    ],
    class extends Ledger {
      override removeNode({ incarnation }: NodeAtCounter) {
        this.dropNode(incarnation)
      }
    },
  ),
  mutant(
    'removes what has a smaller counter too',
    ['heartbeat: a removal with another counter than the stored one removes nothing'],
    class extends Ledger {
      override removeNode({ incarnation, counter }: NodeAtCounter) {
        const stored = this.nodes.get(incarnation)
        if (stored !== undefined && stored.counter <= counter) this.dropNode(incarnation)
      }
    },
  ),
  mutantFor(
    ['heartbeat: what is removed goes before the own record is stored, also an own one'],
    'removes after it has stored its own',
    class extends Ledger {
      override heartbeat(request: HeartbeatRequest) {
        super.heartbeat({ ...request, remove: [] })
        return super.heartbeat({ ...request, own: null })
      }
    },
  ),
  mutant(
    'loses the profile with a heartbeat that brings none',
    ['heartbeat: a profile stays when it is left out, and is replaced when it is given'],
    class extends Ledger {
      override putProfile(own: NodeRecord, profile: NodeProfile | undefined) {
        if (profile === undefined) this.profiles.delete(own.incarnation)
        super.putProfile(own, profile)
      }
    },
  ),
  mutant(
    'keeps the first profile for ever',
    ['heartbeat: a profile stays when it is left out, and is replaced when it is given'],
    class extends Ledger {
      override putProfile(own: NodeRecord, profile: NodeProfile | undefined) {
        if (!this.profiles.has(own.incarnation)) super.putProfile(own, profile)
      }
    },
  ),
  mutant(
    'keeps the profile of a node that was removed',
    ['heartbeat: a removal takes a record that has said nothing since, with its profile'],
    class extends Ledger {
      override dropNode(incarnation: string) {
        this.nodes.delete(incarnation)
      }
    },
  ),
  mutantFor(
    ['heartbeat: profiles stand in the order of the request, null for those that are not there'],
    'leaves out profiles that are not there, when one of them is',
    class extends Ledger {
      override heartbeat(request: HeartbeatRequest) {
        const answer = super.heartbeat(request)
        const found = answer.profiles.filter((profile) => profile !== null)
        return found.length < 4 ? answer : { ...answer, profiles: found }
      }
    },
  ),
  mutant(
    'brings the counter of a record up to date, and nothing else',
    ['heartbeat: a greater counter brings all of the record up to date'],
    class extends Ledger {
      override putNode(own: NodeRecord) {
        super.putNode({ ...own, ...this.nodes.get(own.incarnation), counter: own.counter })
      }
    },
  ),
]

function looksAndRemovesLater(ledger: Ledger): Partial<Storage> {
  return {
    async heartbeat(request) {
      const dead = request.remove.filter(({ incarnation, counter }) => {
        return ledger.nodes.get(incarnation)?.counter === counter
      })
      await letOthersGo()
      for (const { incarnation } of dead) ledger.dropNode(incarnation)
      return ledger.heartbeat({ ...request, remove: [] })
    },
  }
}
