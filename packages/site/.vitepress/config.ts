import { fileURLToPath } from 'node:url'
import { slug } from 'github-slugger'
import { defineConfig } from 'vitepress'
import { drawDiagram } from '../src/diagram.ts'
import { readPages, sections, sidebarOf } from '../src/pages.ts'
import { stage } from '../src/stage.ts'

const title = 'Jobistemer'
const description = 'A persistent, distributed job scheduler for Node.js.'
const folder = fileURLToPath(new URL('../.data/pages', import.meta.url))
const pages = readPages()
stage(folder, pages, title, description)

export default defineConfig({
  title,
  description,
  lang: 'en',
  // The service that hosts the site decides in which folder.
  base: (process.env.SITE_BASE ?? '/') as `/${string}`,
  cleanUrls: true,
  srcDir: folder,
  outDir: 'dist',
  cacheDir: '.data/cache',
  srcExclude: ['public/**'],
  markdown: {
    // The anchors of GitHub: a document has the same ones in the repository and on the site.
    anchor: { slugify: slug },
    config: (md) => {
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
      return first === undefined ? [] : [{ text, link: `/${first.file}`, activeMatch: `/${section}/` }]
    }),
    sidebar: sidebarOf(pages),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: 'https://github.com/jobistemer/jobistemer' }],
  },
})
