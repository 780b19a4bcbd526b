import { readFileSync } from 'node:fs'

const folder = new URL('../lint/', import.meta.url)

/**
 * @typedef {object} Phrase
 * @property {readonly string[]} variants the phrase and its other forms, as words with single spaces
 * @property {boolean} later whether `npm run figures` only counts the uses, because the texts still contain uses
 * @property {string} why
 * @property {string} instead
 */

/**
 * A place where a forbidden phrase is the right word.
 * @typedef {object} Accepted
 * @property {string} file relative to the repository, with forward slashes
 * @property {string} text a part of the sentence, with single spaces
 */

/** @returns {Phrase[]} the phrases of `lint/phrases.tsv` */
export function readPhrases() {
  return readTable('phrases.tsv').map(([phrase = '', later = '', why = '', instead = '']) => {
    if (instead === '') throw new Error(`phrases.tsv: the row of "${phrase}" has no text in the column "write instead"`)
    if (!['', 'later'].includes(later)) {
      throw new Error(`phrases.tsv: the second cell of "${phrase}" must be empty or "later", not "${later}"`)
    }
    return { variants: phrase.split('|'), later: later === 'later', why, instead }
  })
}

/** @returns {Accepted[]} the rows of `lint/accepted-phrases.tsv` */
export function readAccepted() {
  return readTable('accepted-phrases.tsv').map(([file = '', text = '', why = '']) => {
    if (why === '') throw new Error(`accepted-phrases.tsv: the row of ${file} gives no reason`)
    return { file, text }
  })
}

/**
 * Reads a table of the folder `lint`. Returns the rows below the header, each as its cells.
 * @param {string} name
 * @returns {string[][]}
 */
function readTable(name) {
  const [, ...rows] = readFileSync(new URL(name, folder), 'utf8').trimEnd().split('\n')
  return rows.map((row) => row.split('\t'))
}
