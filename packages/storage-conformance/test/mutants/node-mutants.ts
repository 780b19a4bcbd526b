import type { Storage } from '@jobistemer/core/storage'
import { type Ledger, letOthersGo, type Mutant, mutants } from './mutant.ts'

const lost =
  'races of heartbeats: no node that lives is lost, and none shows the counter of another, while others remove what they take for dead'

/** Mutants with faults in node records and profiles. */
export const nodeMutants: readonly Mutant[] = mutants({
  'lists the runs of a node only while it has a record': {
    rejectedBy: [
      'heartbeat: a run outlives the node record of its owner: it is listed, with and without its node, and can be reaped',
    ],
    steps() {
      const gone = new Set<string>()
      return {
        dropNode: (ledger, incarnation) => {
          gone.add(incarnation)
          ledger.dropNode(incarnation)
        },
        listOccurrences: (ledger, query) => {
          const page = ledger.listOccurrences(query)
          return {
            ...page,
            items: page.items.filter(({ owner }) => owner === null || !gone.has(owner.incarnation)),
          }
        },
      }
    },
  },
  'keeps one record for each name of a node': {
    rejectedBy: ['heartbeat: two lives of one node stand side by side'],
    putNode: (ledger, own) => {
      for (const [incarnation, { node }] of ledger.nodes) if (node === own.node) ledger.dropNode(incarnation)
      ledger.putNode(own)
    },
  },
  'lists the first page of nodes only': {
    rejectedBy: ['heartbeat: many nodes are all listed, each once, by their incarnations'],
    alone: true,
    listNodes: (ledger) => ledger.listNodes().slice(0, 100),
  },
  'lists nodes in the order in which they came': {
    rejectedBy: ['heartbeat: many nodes are all listed, each once, by their incarnations'],
    listNodes: (ledger) => [...ledger.nodes.values()],
  },
  'reads all nodes, and writes them back with its own': {
    rejectedBy: [lost],
    calls: (ledger) => ({
      async heartbeat(request) {
        const before = [...ledger.nodes]
        await letOthersGo()
        ledger.nodes.clear()
        for (const [incarnation, record] of before) ledger.nodes.set(incarnation, record)
        return ledger.heartbeat(request)
      },
    }),
  },
  'looks at the counter, and removes later': {
    rejectedBy: ['races of heartbeats: a heartbeat and a removal by the counter before it meet, and who lives stays'],
    calls: looksAndRemovesLater,
  },
  'takes smaller counters too': {
    rejectedBy: ['heartbeat: the same counter again and a smaller one change nothing'],
    isNews: () => true,
  },
  'takes the same counter again': {
    rejectedBy: ['heartbeat: the same counter again and a smaller one change nothing'],
    alone: true,
    isNews: (ledger, own) => ledger.isNews({ ...own, counter: own.counter + 1 }),
  },
  'takes the profile of a heartbeat that came late': {
    rejectedBy: ['heartbeat: the same counter again and a smaller one change nothing'],
    alone: true,
    heartbeat: (ledger, request) => {
      if (request.own !== null && !ledger.isNews(request.own)) ledger.putProfile(request.own, request.profile)
      return ledger.heartbeat(request)
    },
  },
  'removes whatever the counter': {
    rejectedBy: [
      'heartbeat: a removal with another counter than the stored one removes nothing',
      'heartbeat: several are removed in one call, each by its own counter',
    ],
    removeNode: (ledger, { incarnation }) => ledger.dropNode(incarnation),
  },
  'removes what has a smaller counter too': {
    rejectedBy: ['heartbeat: a removal with another counter than the stored one removes nothing'],
    removeNode: (ledger, { incarnation, counter }) => {
      const stored = ledger.nodes.get(incarnation)
      if (stored !== undefined && stored.counter <= counter) ledger.dropNode(incarnation)
    },
  },
  'removes after it has stored its own': {
    rejectedBy: ['heartbeat: what is removed goes before the own record is stored, also an own one'],
    alone: true,
    heartbeat: (ledger, request) => {
      ledger.heartbeat({ ...request, remove: [] })
      return ledger.heartbeat({ ...request, own: null })
    },
  },
  'loses the profile with a heartbeat that brings none': {
    rejectedBy: ['heartbeat: a profile stays when it is left out, and is replaced when it is given'],
    putProfile: (ledger, own, profile) => {
      if (profile === undefined) ledger.profiles.delete(own.incarnation)
      ledger.putProfile(own, profile)
    },
  },
  'keeps the first profile for ever': {
    rejectedBy: ['heartbeat: a profile stays when it is left out, and is replaced when it is given'],
    putProfile: (ledger, own, profile) => {
      if (!ledger.profiles.has(own.incarnation)) ledger.putProfile(own, profile)
    },
  },
  'keeps the profile of a node that was removed': {
    rejectedBy: ['heartbeat: a removal takes a record that has said nothing since, with its profile'],
    dropNode: (ledger, incarnation) => ledger.nodes.delete(incarnation),
  },
  'leaves out profiles that are not there, when one of them is': {
    rejectedBy: ['heartbeat: profiles are in the order of the request, null for unknown nodes'],
    alone: true,
    heartbeat: (ledger, request) => {
      const answer = ledger.heartbeat(request)
      const found = answer.profiles.filter((profile) => profile !== null)
      return found.length < 4 ? answer : { ...answer, profiles: found }
    },
  },
  'brings the counter of a record up to date, and nothing else': {
    rejectedBy: ['heartbeat: a greater counter brings all of the record up to date'],
    putNode: (ledger, own) => ledger.putNode({ ...own, ...ledger.nodes.get(own.incarnation), counter: own.counter }),
  },
})

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
