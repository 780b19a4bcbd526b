import { withoutCodeBlocks } from './markdown-prose.mjs'

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/**
 * Returns the lengths of the sentences in a Markdown document, in words. A code span counts as one word. Headings,
 * table cells and list items count only if they end with a punctuation mark.
 * @param {string} document
 */
export function sentenceLengths(document) {
  return blocks(document)
    .flatMap((block) => [...segmenter.segment(block)].map(({ segment }) => segment.trim()))
    .filter((sentence) => /[.!?:]["')]*$/.test(sentence))
    .map((sentence) => sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length)
    .filter((words) => words > 0)
}

/**
 * Returns the sentences of a Markdown document with their original text.
 * @param {string} document
 * @returns {{ start: number, text: string }[]} each sentence with its position in the document. Headings and list items
 * without a final punctuation mark are left out.
 */
export function sentencesOf(document) {
  const parts = withoutCodeBlocks(document).split(/(\n[ \t>]*(?=\n)|^[ \t>]*(?:#+|[-*+]|\d+\.)[ \t]+|\|)/m)
  let position = 0
  return parts.flatMap((part) => {
    const start = position
    position += part.length
    const text = part.replace(/\n[ \t>]*/g, (gap) => ' '.repeat(gap.length))
    // Link targets are hidden, because their dots end no sentence.
    const prose = text.replace(/(?<=\])\([^)]*\)|\*/g, (hidden) => '~'.repeat(hidden.length))
    return [...segmenter.segment(prose)]
      .map(({ segment, index }) => ({
        ...{
          start: start + index + segment.search(/\S|$/),
          text: oneLine(text.slice(index, index + segment.length)).replace(/^\*+ /, ''),
        },
      }))
      .filter(({ text }) => /\s.*[.!?:]["')*]*$/.test(text) && !text.includes('\0'))
  })
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim()
}

/**
 * Returns the paragraphs, headings, list items and table cells of a document, each as one line.
 * @param {string} document
 * @returns {string[]}
 */
function blocks(document) {
  return withoutCodeBlocks(document)
    .replaceAll('\0', '')
    .replace(/(`+)[^`]+?\1/g, 'code')
    .replace(/!\[[^\]]*\]\([^)]*\)|<!--[\s\S]*?-->|<[^>\n]+>/g, ' ')
    .replace(/\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replace(/\*\*?|__/g, '')
    .replace(/^[ \t>]*(?:#+|[-*+]|\d+\.)[ \t]+/gm, '\n\n')
    .replace(/\|/g, '\n\n')
    .split(/\n\s*\n/)
    .map(oneLine)
}

/**
 * Returns the nearest-rank percentile of the numbers.
 * @param {readonly number[]} numbers
 * @param {number} share from 0 to 1
 * @returns {number}
 */
export function percentile(numbers, share) {
  const sorted = [...numbers].sort((first, second) => first - second)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}
