import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { withMembers } from './members.ts'
import { packagesFolder, type SitePage, sections } from './pages.ts'

const repository = 'https://github.com/jobistemer/jobistemer'
const inRepository = new RegExp(`^${repository}/(?:blob|tree)/main/packages/`)

/**
 * Writes the pages, with adapted links, into the folder from which VitePress builds the site.
 *
 * Also writes these files into the subfolder `public`, for programs that read text:
 * - the same Markdown files
 * - the file `llms.txt`, which lists these files (llmstxt.org)
 */
export function stage(folder: string, pages: readonly SitePage[], title: string, summary: string): void {
  rmSync(folder, { recursive: true, force: true })
  const pictures = new Set<string>()
  for (const page of pages) {
    const markdown = withMembers(readFileSync(packagesFolder + page.source, 'utf8'))
    const text = siteMarkdown(markdown, page, pages, pictures)
    write(join(folder, page.file), text)
    write(join(folder, 'public', page.file), text)
  }
  for (const picture of pictures) {
    mkdirSync(dirname(join(folder, 'public/pictures', picture)), { recursive: true })
    copyFileSync(join(packagesFolder, picture), join(folder, 'public/pictures', picture))
  }
  const lists = sections.map(([section, name]) => {
    const own = pages.filter(({ file }) => file.startsWith(`${section}/`))
    return [`## ${name}`, '', ...own.map((page) => `- [${page.title}](${page.file})`), ''].join('\n')
  })
  write(join(folder, 'public/llms.txt'), [`# ${title}`, '', `> ${summary}`, '', ...lists].join('\n'))
}

/**
 * Returns the Markdown of a document with links for the site. A link to a document with a page leads to that page. Other
 * relative links lead to the repository, except pictures, which are added to `pictures`.
 */
export function siteMarkdown(
  markdown: string,
  page: Pick<SitePage, 'source' | 'file'>,
  pages: readonly Pick<SitePage, 'source' | 'file'>[],
  pictures: Set<string>,
): string {
  const pageOf = (source: string) =>
    pages.find((other) => other.source === source || other.source === `${source}/README.md`)
  const rewrite = (isPicture: boolean, link: string): string => {
    const [target = '', anchor = ''] = link.split('#', 2)
    const isForeign = /^(\w+:|\/|$)/.test(target)
    if (isForeign && !inRepository.test(target)) return link
    const source = isForeign
      ? target.replace(inRepository, '').replace(/\/$/, '')
      : posix.join(posix.dirname(page.source), target)
    const found = pageOf(source)
    const hash = anchor === '' || anchor === 'readme' ? '' : `#${anchor}`
    if (found !== undefined) return `${posix.relative(posix.dirname(page.file), found.file)}${hash}`
    if (isForeign || !existsSync(packagesFolder + source)) return link
    if (isPicture) pictures.add(source)
    return isPicture ? `/pictures/${source}` : `${repository}/blob/main/${posix.join('packages', source)}${hash}`
  }
  const isCode = (part: string): boolean => /^ *```/.test(part)
  return markdown
    .split(/^( *```[\s\S]*?^ *```)/m)
    .map((part) =>
      isCode(part)
        ? part
        : part.replaceAll(
            /(!?)(\[[^\]]*)\]\(([^)\s]+)\)/g,
            (_, sign, text, link) => `${sign}${text}](${rewrite(sign !== '', link)})`,
          ),
    )
    .join('')
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
