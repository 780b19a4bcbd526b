import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { workspacePackages } from '../runner/packages.mjs'
import { readJson, root } from '../runner/repository.mjs'

const repository = 'https://github.com/jobistemer/jobistemer/'

const published = workspacePackages().filter(({ publishable }) => publishable)

describe.each(published)('the published documents of the package $name', ({ path }) => {
  const { files } = readJson(join(root, path, 'package.json'))
  const documents = publishedFiles(join(root, path), files).filter((file) => file.endsWith('.md'))
  const links = documents.flatMap((document) =>
    linksOf(readFileSync(join(root, path, document), 'utf8')).map((link) => ({ document, link })),
  )

  it('link to files of the same tarball, or to an address on the web', () => {
    expect(documents).toContain('README.md')
    const relative = links.filter(({ link }) => !/^(https?:|mailto:|#)/.test(link))
    const wrong = relative.filter(({ document, link }) => {
      const target = posix.join(dirname(document), String(link.split('#')[0]))
      return !isPublished(target, files) || !existsSync(join(root, path, target))
    })
    expect(wrong).toEqual([])
  })

  it('link only to existing files when they link to the repository', () => {
    const wrong = links.filter(({ link }) => {
      const [, target] = link.match(new RegExp(`^${repository}(?:blob|tree)/main/([^#]+)`)) ?? []
      return target !== undefined && !existsSync(join(root, target))
    })
    expect(wrong).toEqual([])
  })
})

/** @param {string} text @returns {string[]} */
function linksOf(text) {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => String(link))
}

/**
 * Lists the files of a package that npm publishes. Reads only the entries of `files`, because tests create and remove
 * other folders of the package while this test runs.
 * @param {string} folder
 * @param {readonly string[]} files the `files` of package.json
 * @returns {string[]}
 */
function publishedFiles(folder, files) {
  const entries = new Set(['README.md', ...files.filter((one) => !one.startsWith('!'))])
  const found = [...entries].flatMap((entry) => {
    const stats = statSync(join(folder, entry), { throwIfNoEntry: false })
    if (stats?.isDirectory() !== true) return stats === undefined ? [] : [entry]
    const names = readdirSync(join(folder, entry), { recursive: true, encoding: 'utf8' })
    return names.map((name) => posix.join(entry, name))
  })
  return found.filter((file) => isPublished(file, files))
}

/**
 * Returns whether npm publishes a file of a package.
 * @param {string} file
 * @param {readonly string[]} files the `files` of package.json
 */
function isPublished(file, files) {
  if (file.startsWith('node_modules')) return false
  // npm publishes `README.md` and `LICENSE` even if `files` does not name them.
  if (file === 'README.md' || file === 'LICENSE') return true
  const isIn = (/** @type {string} */ one) => file === one || file.startsWith(`${one}/`)
  return files.some(isIn) && !files.some((one) => one.startsWith('!') && isIn(one.slice(1)))
}
