import { findPhrases } from '../prose/find-phrases.mjs'
import { isDocument } from '../prose/prose-files.mjs'
import { percentile, sentenceLengths } from '../prose/sentences.mjs'

/** @import { Finding, ProseFile } from '../prose/find-phrases.mjs' */
/** @import { Phrase } from '../prose/tables.mjs' */
/** @import { Figure } from './figures.mjs' */

/**
 * Counts long sentences and vague phrases in the texts.
 * @param {readonly ProseFile[]} files
 * @param {readonly Phrase[]} phrases
 * @returns {{ figures: Figure[], findings: Finding[] }} `findings`: the uses of phrases that are marked `later`
 */
export function countProseFigures(files, phrases) {
  const lengths = files.filter(isDocument).flatMap(({ text }) => sentenceLengths(text))
  const { findings } = findPhrases(
    files,
    phrases.filter(({ later }) => later),
  )
  const figures = [
    { name: 'documents: words, median sentence', value: percentile(lengths, 0.5), target: 16 },
    { name: 'documents: words, 95 % of sentences', value: percentile(lengths, 0.95), target: 28 },
    { name: 'phrases that are replaced later', value: findings.length, target: 0 },
  ]
  return { figures, findings }
}
