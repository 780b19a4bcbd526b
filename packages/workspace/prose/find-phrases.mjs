import { markdownProse } from './markdown-prose.mjs'
import { sourceProse } from './source-prose.mjs'

/** @import { Accepted, Phrase } from './tables.mjs' */

/**
 * @typedef {object} ProseFile
 * @property {string} path relative to the repository, with forward slashes
 * @property {string} text
 */

/**
 * A use of a phrase.
 * @typedef {object} Finding
 * @property {string} path
 * @property {number} line counted from 1
 * @property {string} found the phrase as it stands in the text, on one line
 * @property {Phrase} phrase
 */

/**
 * Matches the separator between words in a raw source: white space, its escape sequences, and the marks of comments and
 * quotations.
 */
const rawSeparator = '(?:[\\s*/>]|\\\\[nrt])+'

/**
 * Returns the uses of phrases in the order of the files, without uses at accepted places. Also returns the accepted
 * places at which no phrase is used (`unused`).
 * @param {readonly ProseFile[]} files
 * @param {readonly Phrase[]} phrases
 * @param {readonly Accepted[]} [accepted]
 * @returns {{ findings: Finding[], unused: Accepted[] }}
 */
export function findPhrases(files, phrases, accepted = []) {
  // Without phrases, the pattern would be empty and match everywhere. So the function returns no findings.
  if (phrases.length === 0) return { findings: [], unused: [...accepted] }
  const candidate = new RegExp(alternatives(phrases, rawSeparator), 'iu')
  const use = new RegExp(`(?<![\\p{L}\\p{N}_-])(?:${alternatives(phrases, '\\s+')})(?![\\p{L}\\p{N}_-])`, 'giu')
  /** @type {Set<Accepted>} */
  const unused = new Set(accepted)
  const findings = files
    // Parsing is slow, so only files whose raw text may contain a phrase are parsed.
    .filter(({ text }) => candidate.test(text))
    .flatMap(({ path, text }) => {
      const prose = path.endsWith('.md') ? markdownProse(text) : sourceProse(path, text)
      const places = accepted
        .filter((place) => place.file === path)
        .flatMap((place) => [...prose.matchAll(literally(place.text))].map((match) => ({ place, ...range(match) })))
      return [...prose.matchAll(use)].flatMap((match) => {
        const { start, end } = range(match)
        const around = places.find((one) => one.start <= start && end <= one.end)
        if (around !== undefined) {
          unused.delete(around.place)
          return []
        }
        const phrase = phrases[match.slice(1).findIndex((group) => group !== undefined)]
        if (phrase === undefined)
          throw new Error('A text matches the combined pattern of all phrases, but no single phrase of phrases.tsv.')
        return [{ path, line: text.slice(0, start).split('\n').length, found: oneLine(match[0]), phrase }]
      })
    })
  return { findings, unused: [...unused] }
}

/** Formats a finding as one line with its place, the phrase and the replacement. @param {Finding} finding @returns {string} */
export function describeFinding({ path, line, found, phrase }) {
  return `${path}:${line} "${found}" (${phrase.why}): write ${phrase.instead}`
}

/**
 * Returns a pattern that matches every phrase, with a group for each phrase.
 * @param {readonly Phrase[]} phrases
 * @param {string} separator of words
 * @returns {string}
 */
function alternatives(phrases, separator) {
  return phrases.map(({ variants }) => `(${variants.join('|').replaceAll(' ', separator)})`).join('|')
}

/**
 * Returns a pattern that matches the text on one line or on several lines.
 * @param {string} text with single spaces
 * @returns {RegExp}
 */
function literally(text) {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(' ', '\\s+'), 'g')
}

/** @param {RegExpExecArray} match */
function range(match) {
  return { start: match.index, end: match.index + match[0].length }
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim()
}
