import { hide, hideCodeSpans } from './hide.mjs'

/**
 * Hides everything in a Markdown document that is not prose: code blocks, code spans, and the targets of links.
 * @param {string} document
 * @returns {string} of the same length as the document, so that positions and lines are the same
 */
export function markdownProse(document) {
  return hideCodeSpans(withoutCodeBlocks(document))
    .replace(/\]\([^()\s]*(\([^()\s]*\))?[^()\s]*\)/g, hide)
    .replace(/^[ \t]*>[ \t>]*/gm, (marks) => ' '.repeat(marks.length))
    .replace(/^[ \t]*(?:#+|[-*+]|\d+\.)(?=\s)/gm, hide)
    .replace(/\|/g, hide)
    .replace(/\n(?=[ \t]*\n)/g, '\0')
}

/** Hides the lines of all fenced code blocks in a document. @param {string} document @returns {string} */
export function withoutCodeBlocks(document) {
  let fence = ''
  return document
    .split('\n')
    .map((line) => {
      const mark = /^[ \t>]*(?:[-*+][ \t]+)?(`{3,}|~{3,})/.exec(line)?.[1] ?? ''
      if (fence === '') {
        fence = mark
        return mark === '' ? line : hide(line)
      }
      if (mark.startsWith(fence) && line.trim().endsWith(mark)) fence = ''
      return hide(line)
    })
    .join('\n')
}
