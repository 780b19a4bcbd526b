import { fileURLToPath } from 'node:url'
import { slug } from 'github-slugger'
import { defineConfig } from 'vitepress'
import { drawDiagram } from '../src/diagram.ts'
import { addressOf, readPages, sections, sidebarOf } from '../src/pages.ts'
import { stage } from '../src/stage.ts'

const title = 'Jobistemer'
const description = 'A persistent, distributed job scheduler for Node.js.'
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#3451b2"/><path d="M8 4v4l3 2" fill="none" stroke="#fff" stroke-width="1.5"/></svg>',
)}`
const folder = fileURLToPath(new URL('../.data/pages', import.meta.url))
const pages = readPages()
stage(folder, pages, title, description)
/** Whether to leave out highlighting of code and minification, which take half of the build's time. `npm test` sets it. */
const isDraft = process.env.SITE_DRAFT === '1'

/** Returns a block of code without colors, with the attributes that a highlighted block has. */
function plainCode(code: string): string {
  const text = code.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<pre tabindex="0" v-pre><code>${text}</code></pre>`
}

export default defineConfig({
  title,
  description,
  lang: 'en',
  // The base path of the site. The hosting service sets SITE_BASE.
  base: (process.env.SITE_BASE ?? '/') as `/${string}`,
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: icon }]],
  srcDir: folder,
  outDir: 'dist',
  cacheDir: '.data/cache',
  srcExclude: ['public/**'],
  vite: { build: { minify: !isDraft } },
  markdown: {
    ...(isDraft && { highlight: plainCode }),
    // Makes heading anchors as GitHub does, so that a document has the same anchors in the repository and on the site.
    anchor: { slugify: slug },
    config: (md) => {
      // Converts the empty corner cell of a table to a data cell, because an empty heading cell violates accessibility
      // rules.
      md.core.ruler.push('table-corner', ({ tokens }) => {
        for (const [index, open] of tokens.entries()) {
          if (open.type !== 'th_open' || tokens[index + 1]?.content !== '') continue
          open.tag = 'td'
          tokens[index + 2]!.tag = 'td'
        }
      })
      const fence = md.renderer.rules.fence
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index]!
        if (info !== 'mermaid') return fence!(tokens, index, ...rest)
        return `<div class="diagram" role="group" aria-label="Diagram" tabindex="0" v-pre>${drawDiagram(content)}</div>`
      }
    },
  },
  themeConfig: {
    nav: sections.flatMap(([section, text]) => {
      const first = pages.find(({ file }) => file.startsWith(`${section}/`))
      return first === undefined ? [] : [{ text, link: addressOf(first), activeMatch: `/${section}/` }]
    }),
    sidebar: sidebarOf(pages),
    outline: [2, 3],
    search: {
      provider: 'local',
      // In search results, a guide precedes a reference page with the same words.
      options: { miniSearch: { searchOptions: { boostDocument: (id) => (id.startsWith('/reference/') ? 1 : 2) } } },
    },
    socialLinks: [{ icon: 'github', link: 'https://github.com/jobistemer/jobistemer' }],
  },
})
