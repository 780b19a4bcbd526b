import { renderMermaidSVG } from 'beautiful-mermaid'

/** Converts Mermaid source to an SVG that uses the page's colors in both color schemes. */
export function drawDiagram(source: string): string {
  const svg = renderMermaidSVG(source, {
    bg: 'var(--vp-c-bg)',
    fg: 'var(--vp-c-text-1)',
    transparent: true,
    padding: 8,
  })
  // Removes the style element, because it loads a font from a foreign host. `theme/style.css` has the remaining styles.
  return svg.replace(/<style>[\s\S]*?<\/style>/, '')
}
