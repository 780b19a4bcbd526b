export { addTally, type CompletionTally, emptyTally } from './completion-tally.ts'
export {
  type CompletionOutcome,
  type CompletionPlay,
  CompletionPlayers,
  type CompletionRemains,
  playCompletions,
} from './play-completions.ts'
