import { renderMermaidSVG } from 'beautiful-mermaid'

/** Draws Mermaid source as an SVG, whose colors are those of the page in both color schemes. */
export function drawDiagram(source: string): string {
  const svg = renderMermaidSVG(source, {
    bg: 'var(--vp-c-bg)',
    fg: 'var(--vp-c-text-1)',
    transparent: true,
    padding: 8,
  })
  // The style element names a font of a foreign host. `theme/style.css` holds the rest of it.
  return svg.replace(/<style>[\s\S]*?<\/style>/, '')
}
