import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { proseProblems } from '../checks/prose.mjs'
import { drawTexts } from '../figures/draw-texts.mjs'
import { countProseFigures } from '../figures/prose-figures.mjs'
import { describeFinding, findPhrases } from '../prose/find-phrases.mjs'
import { markdownProse } from '../prose/markdown-prose.mjs'
import { isDocument, proseFiles } from '../prose/prose-files.mjs'
import { percentile, sentenceLengths } from '../prose/sentences.mjs'
import { sourceProse } from '../prose/source-prose.mjs'
import { readAccepted, readPhrases } from '../prose/tables.mjs'

/** The phrases are invented, so that this file contains no real forbidden phrase. */
const phrases = [
  { variants: ['blue moon', 'blue moons'], later: false, why: 'vague', instead: 'a number' },
  { variants: ['flurb'], later: true, why: 'not English', instead: 'n-th' },
]

/**
 * Returns the phrases that the check finds in a text, each with its line.
 * @param {string} path
 * @param {string} text
 * @returns {string[]}
 */
function found(path, text) {
  return findPhrases([{ path, text }], phrases).findings.map(({ found, line }) => `${line} ${found}`)
}

/** Returns the part of a text that is not hidden, with single spaces. @param {string} prose @returns {string} */
function visible(prose) {
  return prose.replaceAll('\0', '').replace(/\s+/g, ' ').trim()
}

describe('the prose that the linter reads from a source file', () => {
  it('contains each comment, with its lines joined and without decoration', () => {
    const text = ['/**', ' * Once in a blue', ' * moon.', ' */', 'one() // a blue', '// moon', '/* blue moons */'].join(
      '\n',
    )
    expect(found('any.ts', text)).toEqual(['2 blue moon', '5 blue moon', '7 blue moons'])
  })

  it('contains string and template literals of several words, wherever they stand in the code', () => {
    const text = [
      "it('runs once in a blue moon', () => {})",
      `describe.each([["a blue moon", 1]])(\`in a blue moon, \${1} blue moon \${2}\`, () => {})`,
      "throw new Error('failed:\\nblue moon')",
      `logger.warn({ message: late ? 'a blue moon' : 'now' }, \`\${job} in a blue moon\`)`,
      "type Name = 'in a blue moon'",
    ]
    expect(found('any.ts', text.join('\n')).map((one) => one[0])).toEqual([...'1222344', '5'])
  })

  it('contains the text and the attributes of JSX', () => {
    const text =
      'const page = (\n  <p title="a blue moon">\n    http://a // blue\n    moon {/* blue moon */}\n  </p>\n)\n'
    expect(found('page.tsx', text)).toEqual(['2 blue moon', '3 blue moon', '4 blue moon'])
  })

  it('contains no code: names, single words, regular expressions, escaped delimiters', () => {
    const text = [
      "const flurb = 'flurb'",
      'const half = 4 / 2 / flurb, pattern = /a blue moon "/',
      "const url = 'http://a' + flurb // flurb",
      "const quoted = 'it\\'s // a flurb'",
      `const nested = \`a \${\`flurb\` /* flurb */} \\\` flurb\``,
      "const slash = /[/]/.test('/* ') ? flurb : ' */'",
    ]
    expect(found('any.mjs', text.join('\n'))).toEqual(['3 flurb', '4 flurb', '5 flurb', '5 flurb'])
  })

  it('contains no code spans of comments', () => {
    expect(found('any.js', '// `flurb` and `a blue moon`, and ``flurb`` too\n')).toEqual([])
  })

  it('keeps for each text its position in its file', async () => {
    const files = (await proseFiles(['packages/workspace', 'packages/cli/src', 'packages/dashboard/src/page'])).filter(
      ({ path }) => !path.endsWith('.md'),
    )
    expect(files.length).toBeGreaterThan(100)
    for (const { path, text } of files) {
      const prose = sourceProse(path, text)
      expect(prose).toHaveLength(text.length)
      expect(prose.split('\n')).toHaveLength(text.split('\n').length)
    }
  })
})

describe('the prose that the linter reads from a document', () => {
  it('contains paragraphs, headings, list items, quotations and table cells', () => {
    const text = '# Blue moon\n\nIn a blue\nmoon.\n\n- blue moon\n> blue\n> moon\n\n| a | blue moon |\n'
    expect(found('any.md', text)).toHaveLength(5)
  })

  it('does not join words of different blocks', () => {
    expect(found('any.md', 'blue\n\nmoon, blue\n- moon | blue | moon\n')).toEqual([])
  })

  it('contains no code blocks, code spans or targets of links', () => {
    const text = 'A `blue moon` is [here](flurb.md#a).\n\n```ts\nflurb()\n```\n\n- ~~~\n  flurb\n  ~~~\n\nThe flurb.\n'
    expect(found('any.md', text)).toEqual(['11 flurb'])
    expect(visible(markdownProse(text))).toBe('A is [here. The flurb.')
  })
})

describe('a forbidden phrase', () => {
  it('is found as whole words, in upper and lower case', () => {
    expect(found('a.md', 'Flurb flurbs a-flurb flurb-b FLURB, flurb’s and Blue\nMoon')).toEqual([
      '1 Flurb',
      '1 FLURB',
      '1 flurb',
      '1 Blue Moon',
    ])
  })

  it.each([
    ['any.ts', "const one = 'failed:\\nblue\\nmoon'"],
    ['any.ts', '// A blue\n  // moon.'],
    ['any.ts', '/**\n * A blue\n * moon.\n */'],
    ['any.tsx', 'const page = <p>a blue\n  moon</p>'],
    ['any.md', '> > a blue\n> > moon'],
  ])('is found in the file %s although it spans several lines: %j', (path, text) => {
    expect(found(path, text)).toHaveLength(1)
  })

  it('is reported with its file and line, the reason, and the phrase to write instead', () => {
    const { findings } = findPhrases([{ path: 'a/b.md', text: '\nOnce in a blue moon.' }], phrases)
    expect(findings.map(describeFinding)).toEqual(['a/b.md:2 "blue moon" (vague): write a number'])
  })

  it('is accepted in the sentences of a given list, and an entry of this list that no file contains is reported', () => {
    const files = [
      { path: 'a.md', text: 'Sing "blue\nmoon" today. Once in a blue moon.' },
      { path: 'b.md', text: 'Sing "blue moon" today.' },
    ]
    const accepted = [
      { file: 'a.md', text: 'Sing "blue moon"' },
      { file: 'a.md', text: 'Hum "blue moon"' },
    ]
    const { findings, unused } = findPhrases(files, phrases, accepted)
    expect(findings.map(({ path, line }) => `${path}:${line}`)).toEqual(['a.md:2', 'b.md:1'])
    expect(unused).toEqual([accepted[1]])
  })
})

describe('the table of forbidden phrases', () => {
  const table = readPhrases()
  const [, ...rows] = readFileSync(new URL('fixtures/before-and-after.tsv', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  /** @type {Record<string, (text: string) => { path: string, text: string }>} */
  const forms = {
    comment: (text) => ({
      path: 'any.ts',
      text: `/**\n * ${text.replaceAll(' ', '\n * ')}\n */\nexport const one = 1\n`,
    }),
    title: (text) => ({ path: 'any.test.ts', text: `it(${JSON.stringify(text)}, () => {})\n` }),
    message: (text) => ({ path: 'any.ts', text: `logger.warn({ job }, '${text}')\n` }),
    document: (text) => ({ path: 'any.md', text: `# Any\n\n${text}\n` }),
  }

  it.each(rows.map((row) => row.split('\t')))(
    'finds, in a text of the kind %s, the phrase "%s"; the text is: %s',
    (kind = '', phrase = '', text = '') => {
      const file = forms[kind]?.(text)
      const { findings } = findPhrases(file === undefined ? [] : [file], table)
      expect(findings.map(({ found }) => found)).toContain(phrase)
    },
  )

  it('contains the phrases that the maintainers agreed on', () => {
    const forbidden = table.filter(({ later }) => !later).flatMap(({ variants }) => variants)
    // Underscores replace the spaces of the phrases, because the linter reads this file too.
    const agreed =
      'whoever,somebody,nobody,so_many,so_long,what_waits,is_told,is_said,it_is_looked,what_becomes,what_has_become'
    expect(forbidden).toEqual(expect.arrayContaining(agreed.replaceAll('_', ' ').split(',')))
  })

  it('contains each phrase once, with a reason', () => {
    const variants = table.flatMap((phrase) => phrase.variants)
    expect(new Set(variants).size).toBe(variants.length)
    expect(table.filter(({ why }) => why === '')).toEqual([])
  })

  it('has fewer than 20 accepted exceptions', () => {
    expect(readAccepted().length).toBeLessThan(20)
  })
})

describe('the lengths of sentences', () => {
  it('are counted in paragraphs, and in list items and cells that end with a punctuation mark', () => {
    const text = [
      '# A heading of five words',
      'One two `three four` five. Six [seven eight](nine.md), e.g. ten\neleven!',
      '- An item without a mark',
      '- An item with **a** mark.',
      '| a cell | Another cell. |',
      '```sh',
      'A line of code.',
      '```',
      'An introduction:',
    ].join('\n\n')
    expect(sentenceLengths(text)).toEqual([4, 6, 5, 2, 2])
  })

  it('have a percentile, computed by the nearest rank', () => {
    expect([0, 0.5, 0.95, 1].map((share) => percentile([4, 1, 3, 2], share))).toEqual([1, 2, 4, 4])
    expect(percentile([], 0.5)).toBe(0)
  })

  it('are measured only in documents: READMEs, docs folders of packages, and documents of the repository', () => {
    const paths = ['README.md', 'CONTRIBUTING.md', 'packages/a/README.md', 'packages/a/docs/b/c.md']
    const others = ['.changeset/a.md', 'packages/a/CHANGELOG.md', 'packages/a/test/b.md', 'packages/a/src/README.ts']
    expect([...paths, ...others].filter((path) => isDocument({ path, text: '' }))).toEqual(paths)
  })
})

describe('the prose figures', () => {
  it('are the lengths of the sentences, and the number of phrases that the linter only counts', () => {
    const files = [
      { path: 'README.md', text: 'One two three. A flurb in a blue moon.' },
      { path: 'a.ts', text: '// A flurb.' },
    ]
    const { figures, findings } = countProseFigures(files, phrases)
    expect(figures.map(({ value }) => value)).toEqual([3, 6, 2])
    expect(findings.map(({ found, path }) => `${path} ${found}`)).toEqual(['README.md flurb', 'a.ts flurb'])
  })

  it('include 0 phrases if the table has no phrase that the linter only counts', () => {
    expect(countProseFigures([{ path: 'README.md', text: 'A flurb.' }], []).figures.at(-1)?.value).toBe(0)
  })
})

describe('a random draw of texts', () => {
  const source = [
    '/**',
    ' * A comment of five words.',
    ' */',
    'export const one = 1 // Beside a line of code.',
    'const script = `',
    '-- A comment of Lua',
    '-- on two lines',
    'return 1`',
    "throw new RangeError('one is\\ntoo large')",
    'log.warn({ one }, `one is large`)',
    "console.log('no message of an error')",
  ].join('\n')
  const test = "describe('a group', () => {\n  it.each([1])('has a title', () => log.warn('not a message'))\n})\n"
  const files = [
    { path: 'a.ts', text: source },
    { path: 'test/a.test.ts', text: test },
    { path: 'README.md', text: '# A heading\n\nOne `code`\nsentence. Another one.\n\n- no sentence\n' },
  ]

  it('contains comments, titles, messages and sentences, with their lines and the code beneath', () => {
    const texts = drawTexts(files, 'a seed').map(({ kind, line, text, beneath }) => [kind, line, text, beneath])
    expect(texts.sort()).toEqual([
      ['comment', 1, 'A comment of five words.', 'export const one = 1 // Beside a line of code.'],
      ['comment', 4, 'Beside a line of code.', 'export const one = 1'],
      ['comment', 6, 'A comment of Lua on two lines', 'return 1`'],
      ['message', 10, '`one is large`', 'log.warn({ one }, `one is large`)'],
      ['message', 9, "'one is\\ntoo large'", "throw new RangeError('one is\\ntoo large')"],
      ['sentence', 3, 'One `code` sentence.', ''],
      ['sentence', 4, 'Another one.', ''],
      ['title', 2, 'a group › has a title', ''],
    ])
  })

  it('is the same for the same seed, and differs for different seeds', () => {
    const many = [{ path: 'README.md', text: Array.from({ length: 99 }, (_, n) => `Sentence ${n}.`).join('\n') }]
    const [one, again, other] = ['one', 'one', 'other'].map((seed) => drawTexts(many, seed))
    expect(one).toHaveLength(20)
    expect(again).toEqual(one)
    expect(other).not.toEqual(one)
  })
})

it('the prose linter’s own files contain no forbidden phrase', async () => {
  expect(await proseProblems(['packages/workspace/prose', 'packages/workspace/test/prose.test.mjs'])).toEqual([])
})
