import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder `packages`. The path `source` of each page is relative to this folder. */
export const packagesFolder: string = fileURLToPath(new URL('../../', import.meta.url))

/** A Markdown document of the repository that is a page of the site. */
export interface SitePage {
  /** The path of the document: `site/docs/concepts/slot.md`, `core/README.md`. */
  readonly source: string
  /** The path of the page's Markdown file on the site: `concepts/slot.md`, `reference/core/index.md`. */
  readonly file: string
  readonly title: string
  /** Position of the page in the sidebar. Pages with equal `order` are sorted by title. */
  readonly order: number
}

/** The sections of the site, in the order of the navigation: the folder of their pages, and their name. */
export const sections: readonly (readonly [folder: string, name: string])[] = [
  ['start', 'Start'],
  ['concepts', 'Concepts'],
  ['how-to', 'How-to'],
  ['move-from', 'Move from'],
  ['compare', 'Compare'],
  ['reference', 'Reference'],
]

/** Lists the pages in the order of the sidebar: the documents of this package and of the other packages. */
export function readPages(): readonly SitePage[] {
  return readdirSync(packagesFolder)
    .filter((name) => existsSync(`${packagesFolder}${name}/package.json`))
    .flatMap(documentsOf)
    .map((source) => ({ source, file: fileOf(source), ...readTitle(source) }))
    .sort((a, b) => a.order - b.order || a.title.localeCompare(b.title))
}

/** Returns a package's documents for the site: README and `docs`, if the package publishes them. */
function documentsOf(name: string): readonly string[] {
  const { private: isPrivate, files = [] } = JSON.parse(readFileSync(`${packagesFolder}${name}/package.json`, 'utf8'))
  if (isPrivate && name !== 'site') return []
  const hidden = [
    'docs/decisions',
    ...files.filter((file: string) => file.startsWith('!')).map((file: string) => file.slice(1)),
  ]
  const folder = `${packagesFolder}${name}/`
  const documents = existsSync(`${folder}docs`)
    ? readdirSync(`${folder}docs`, { recursive: true, encoding: 'utf8' })
    : []
  return [...(isPrivate ? [] : ['README.md']), ...documents.map((file) => `docs/${file.replaceAll('\\', '/')}`)]
    .filter((file) => file.endsWith('.md') && !hidden.some((entry) => file.startsWith(entry)))
    .map((file) => `${name}/${file}`)
}

/** Returns the address of a page within the site: `/concepts/slot`, `/reference/core/`. */
export function addressOf({ file }: Pick<SitePage, 'file'>): string {
  return `/${file.replace(/(index)?\.md$/, '')}`
}

function fileOf(source: string): string {
  if (source.startsWith('site/docs/')) return source.slice('site/docs/'.length)
  return `reference/${source.replace('/docs/', '/').replace(/README\.md$/, 'index.md')}`
}

function readTitle(source: string): Pick<SitePage, 'title' | 'order'> {
  const text = readFileSync(packagesFolder + source, 'utf8')
  const frontmatter = /^---\n([\s\S]*?)\n---\n/.exec(text)?.[1] ?? ''
  const title = /^title: *(.+)$/m.exec(frontmatter)?.[1] ?? /^# (.+)$/m.exec(text)?.[1] ?? source
  return {
    title: title.replaceAll(/^["']|["']$|`/g, ''),
    order: Number(/^order: *(\d+)$/m.exec(frontmatter)?.[1] ?? 100),
  }
}

/** Returns the sidebar of each section for VitePress, with a group for each package. */
export function sidebarOf(pages: readonly SitePage[]) {
  return Object.fromEntries(
    sections.map(([folder, name]) => {
      const own = pages.filter(({ file }) => file.startsWith(`${folder}/`))
      const groupOf = ({ file }: SitePage) => file.split('/').slice(1, -1).join('/')
      const groups = [...new Set(['', 'core', ...own.map(groupOf).sort()])]
      const items = groups.map((group) => ({
        text: group === '' ? name : `@jobistemer/${group}`,
        ...(group !== '' && { collapsed: group !== 'core' }),
        items: own
          .filter((page) => groupOf(page) === group)
          .map(({ title, file }) => ({
            text: title === `@jobistemer/${group}` ? 'Overview' : title,
            link: addressOf({ file }),
          })),
      }))
      return [`/${folder}/`, items.filter((group) => group.items.length > 0)]
    }),
  )
}
